#include "library.h"
// JSON Web Tokens: one per package of `cargo metadata`, signed and verified.
#include <jwt/jwt.hpp>

uint64_t library_run(const char *text, size_t length) {
    using namespace jwt::params;
    auto document = nlohmann::json::parse(std::string(text, length));
    uint64_t sum = 0;
    for (auto &package : document["packages"]) {
        jwt::jwt_object token{algorithm("HS256"), secret("julienne"),
                              payload({{"iss", package["name"].get<std::string>()}})};
        token.add_claim("sub", package["id"].get<std::string>()).add_claim("iat", 1513862371);
        token.add_claim("targets", package["targets"].size());
        std::error_code error;
        std::string signed_text = token.signature();
        auto decoded = jwt::decode(signed_text, algorithms({"HS256"}), error, secret("julienne"), verify(true));
        if (error) return 0;
        sum += checksum(signed_text);
        sum += decoded.payload().get_claim_value<std::string>("sub").size();
    }
    return sum;
}
