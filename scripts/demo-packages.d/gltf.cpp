#include "library.h"
// glTF: a model is read and written again.
#define TINYGLTF_IMPLEMENTATION
#define TINYGLTF_NO_STB_IMAGE
#define TINYGLTF_NO_STB_IMAGE_WRITE
#define TINYGLTF_NO_EXTERNAL_IMAGE
#define TINYGLTF_NO_INCLUDE_JSON
#include <nlohmann/json.hpp>
#include <tiny_gltf.h>
#include <sstream>

uint64_t library_run(const char *text, size_t length) {
    tinygltf::TinyGLTF loader;
    tinygltf::Model model;
    std::string error, warning;
    if (!loader.LoadASCIIFromString(&model, &error, &warning, text, length, ".")) return 0;
    std::ostringstream out;
    loader.WriteGltfSceneToStream(&model, out, true, false);
    return checksum(out.str());
}
