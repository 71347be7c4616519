/* A stand-in for NVIDIA's management library with three devices; the second cannot be opened. */
#include <stdio.h>

struct memory_info {
  unsigned long long total, free, used;
};

static int indices[3] = {0, 1, 2};

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }

int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 3;
  return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index == 1) return 15;
  *device = &indices[index];
  return 0;
}

int nvmlDeviceGetName(void* device, char* name, unsigned length) {
  snprintf(name, length, "Fake GPU %d", *(int*)device);
  return 0;
}

int nvmlDeviceGetMemoryInfo(void* device, struct memory_info* memory) {
  (void)device;
  memory->total = 16ULL << 30;
  memory->free = memory->total;
  memory->used = 0;
  return 0;
}
