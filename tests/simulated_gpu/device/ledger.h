// What each process holds of the device's memory, in a file that all of them map.
//
// A process that was killed holds nothing from then on: slots of dead processes do not count.
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "settings.h"

namespace simulated {

struct Slot {
  std::atomic<int> pid;
  std::atomic<uint64_t> bytes;
};

inline constexpr int kSlots = 256;

// The file that is this device; programs with different ones have devices of their own.
inline std::string ledger_path() {
  const std::string own = "/dev/shm/resprof-simulated-gpu-" + std::to_string(getuid());
  return text("RESPROF_SIMULATED_LEDGER", own.c_str());
}

inline Slot* slots() {
  static Slot* const mapped = [] {
    const std::string path = ledger_path();
    const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void* at = MAP_FAILED;
    if (file >= 0 && ftruncate(file, sizeof(Slot) * kSlots) == 0) {
      at = mmap(nullptr, sizeof(Slot) * kSlots, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    if (at == MAP_FAILED) {
      fprintf(stderr, "simulated: cannot use %s as the device's ledger\n", path.c_str());
      abort();
    }
    close(file);
    return static_cast<Slot*>(at);
  }();
  return mapped;
}

inline bool lives(int pid) { return pid != 0 && kill(pid, 0) == 0; }

inline uint64_t used_bytes() {
  uint64_t sum = 0;
  for (int i = 0; i < kSlots; i++) {
    if (lives(slots()[i].pid)) sum += slots()[i].bytes;
  }
  return sum;
}

// The slot of a process; null where it has none.
inline Slot* slot_of(int pid) {
  for (int i = 0; i < kSlots; i++) {
    if (slots()[i].pid == pid) return &slots()[i];
  }
  return nullptr;
}

// This process's slot, taken on first use; a fork takes one of its own.
inline Slot& own_slot() {
  static Slot* own = nullptr;
  const int pid = getpid();
  if (own && own->pid == pid) return *own;
  for (int i = 0; i < kSlots; i++) {
    Slot& slot = slots()[i];
    int before = slot.pid;
    // A slot under our own number is an earlier process's whose number came round.
    if (before != pid && lives(before)) continue;
    if (!slot.pid.compare_exchange_strong(before, pid)) continue;
    slot.bytes = 0;
    own = &slot;
    return slot;
  }
  fprintf(stderr, "simulated: more than %d processes use the device\n", kSlots);
  abort();
}

}  // namespace simulated
