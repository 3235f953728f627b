// What the driver calls in each library: the input's text, and a number that depends on all that was computed.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

extern "C" uint64_t library_run(const char *text, size_t length);

// FNV-1a.
inline uint64_t checksum(const std::string &text) {
    uint64_t sum = 0xcbf29ce484222325u;
    for (unsigned char c : text) sum = (sum ^ c) * 0x100000001b3u;
    return sum;
}
