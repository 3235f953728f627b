#include "library.h"
// Arrays: a nested list of numbers out of JSON, and back.
#include <xtensor/xarray.hpp>
#include <xtensor/xjson.hpp>

uint64_t library_run(const char *text, size_t length) {
    auto document = nlohmann::json::parse(std::string(text, length));
    xt::xarray<double> values;
    xt::from_json(document["matrix"], values);
    xt::xarray<double> scaled = 2.0 * values + 1.0;
    nlohmann::json out;
    xt::to_json(out, scaled);
    return checksum(out.dump());
}
