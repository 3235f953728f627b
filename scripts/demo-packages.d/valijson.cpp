#include "library.h"
// JSON Schema validation: a document in the form of `cargo metadata` against a description of that form.
#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

using valijson::adapters::NlohmannJsonAdapter;

static const char *const schema_text = R"({
  "type": "object",
  "required": ["packages", "resolve", "version"],
  "properties": {
    "version": {"type": "integer", "minimum": 1},
    "packages": {
      "type": "array", "minItems": 1,
      "items": {
        "type": "object", "required": ["name", "version", "id", "dependencies", "targets"],
        "properties": {
          "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
          "version": {"type": "string", "minLength": 5},
          "dependencies": {"type": "array", "items": {"type": "object", "required": ["name", "req"]}},
          "targets": {"type": "array", "items": {"properties": {"kind": {"type": "array", "items":
              {"enum": ["lib", "rlib", "bin", "test", "bench", "example", "custom-build", "proc-macro", "cdylib"]}}}}}
        }
      }
    }
  }
})";

uint64_t library_run(const char *text, size_t length) {
    valijson::Schema schema;
    valijson::SchemaParser parser;
    nlohmann::json description = nlohmann::json::parse(schema_text);
    NlohmannJsonAdapter adapter(description);
    parser.populateSchema(adapter, schema);
    nlohmann::json document = nlohmann::json::parse(std::string(text, length));
    NlohmannJsonAdapter target(document);
    valijson::Validator validator;
    valijson::ValidationResults results;
    uint64_t sum = validator.validate(schema, target, &results) ? 1 : 0;
    valijson::ValidationResults::Error error;
    while (results.popError(error)) sum += 2 + error.description.size();
    return sum + checksum(document.dump());
}
