// The common image of those above nlohmann-json: its class, instantiated as the language offers it, and those of its member
// templates that its own documentation shows, for the types that JSON has. What the libraries use was not looked at.
#include <nlohmann/json.hpp>
#include <sstream>

template class nlohmann::basic_json<>;

using nlohmann::json;

extern "C" size_t json_use(const std::string &text) {
    json document = json::parse(text);
    json parsed = json::parse(text.begin(), text.end(), nullptr, false), from_pointers = json::parse(text.c_str());
    std::istringstream in(document.dump());
    std::ostringstream out;
    in >> parsed;
    out << parsed.flatten().unflatten();
    size_t sum = out.str().size() + document.patch(json::diff(document, parsed)).size();
    sum += parsed.value("/name"_json_pointer, std::string("none")).size() + from_pointers.size();
    for (auto &[key, value] : parsed.items()) {
        sum += key.size() + value.is_string() ? value.get<std::string>().size() : 0;
        sum += value.get<int>() + value.get<long>() + value.get<unsigned long>() + value.get<bool>();
        sum += value.get<double>() + value.get<float>() > 1;
        sum += value.get<std::vector<json>>().size() + value.get<std::map<std::string, json>>().size();
    }
    document = {{"string", "text"}, {"number", 1}, {"real", 1.5}, {"flag", true}, {"list", {1, 2, 3}}};
    document["more"] = std::vector<std::string>{"a", "b"};
    document["map"] = std::map<std::string, double>{{"a", 1}};
    document["size"] = text.size();
    return sum + document.dump().size();
}
