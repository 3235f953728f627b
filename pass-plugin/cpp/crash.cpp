// What is said when LLVM crashes or memory is out: what the thread was at.
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/PrettyStackTrace.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <mutex>
#include <string>
#include <unistd.h>

using namespace llvm;

namespace {
// An entry of the thread's list of what it is at, with the text that it shows.
struct Landmark {
  std::string Text;
  PrettyStackTraceString Entry;
  explicit Landmark(StringRef T) : Text(T), Entry(Text.c_str()) {}
};

// Enough to say what the thread was at.
constexpr size_t ReserveBytes = 1 << 20;

std::mutex Lock;
unsigned Watchers = 0;
void *Reserve = nullptr;

// Ends the process: LLVM cannot go on without the memory, and what it has built is in no state to be cleaned up.
[[noreturn]] void outOfMemory(void *, const char *, bool) {
  // A second thread waits here for the end. Saying it may itself fail.
  static std::mutex Ending;
  static thread_local bool Again = false;
  if (Again)
    _exit(1);
  Again = true;
  Ending.lock();
  std::free(Reserve);
  errs() << "julienne: out of memory; what was being done, the innermost first:\n";
  for (auto *Entry = static_cast<const PrettyStackTraceEntry *>(SavePrettyStackState()); Entry;
       Entry = Entry->getNextEntry())
    Entry->print(errs() << "  ");
  errs() << "Nothing was written. Fewer parts at a time need less: JULIA_IMAGE_THREADS=1, or a smaller "
            "JL_IMAGE_MEMORY.\n";
  // Removes the host's unfinished files.
  sys::RunInterruptHandlers();
  _exit(1);
}
} // namespace

extern "C" {
void *jl_cpp_landmark(const char *Text, size_t Len) { return new Landmark(StringRef(Text, Len)); }

// On the thread that made it, the last one made first.
void jl_cpp_landmark_free(void *Raw) { delete static_cast<Landmark *>(Raw); }

// From now on, running out of memory is said with the thread's landmarks.
void jl_cpp_watch_memory() {
  std::lock_guard<std::mutex> Held(Lock);
  if (Watchers++)
    return;
  Reserve = std::malloc(ReserveBytes);
  // LLVM keeps one handler, and none of our hosts sets any.
  install_bad_alloc_error_handler(outOfMemory);
}

void jl_cpp_unwatch_memory() {
  std::lock_guard<std::mutex> Held(Lock);
  if (--Watchers)
    return;
  remove_bad_alloc_error_handler();
  std::free(Reserve);
  Reserve = nullptr;
}
}
