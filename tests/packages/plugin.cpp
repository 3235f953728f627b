#include "plugin.h"

// Of the library and of each plugin.
extern "C" __attribute__((visibility("default"))) long PLUGIN(int by) {
    std::vector<long> values{by, 1};
    log() += 'x';
    return add(values) * 1000000L + now() * 1000 + sum(values) * 10 + long(log().size());
}
