/* Preloaded into a node by clock_test.py: its wall clock is off by what a shared file says, and jumps when that changes. Only
 * CLOCK_REALTIME is touched, as when somebody sets the clock (Debian's libfaketime also moves CLOCK_BOOTTIME). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* offset_us;

__attribute__((constructor)) static void begin(void) {
    const char* file = getenv("WALL_CLOCK_FILE");
    const int descriptor = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC);
    void* mapped = descriptor < 0 ? MAP_FAILED : mmap(NULL, sizeof(*offset_us), PROT_READ, MAP_SHARED, descriptor, 0);
    if (mapped == MAP_FAILED) {
        abort();
    }
    close(descriptor);
    offset_us = mapped;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
    const int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && offset_us != NULL) {
        const int64_t nanoseconds = now->tv_nsec + *offset_us % 1000000 * 1000;
        now->tv_sec += (time_t)(*offset_us / 1000000) + (nanoseconds >= 1000000000) - (nanoseconds < 0);
        now->tv_nsec = (long)((nanoseconds + 1000000000) % 1000000000);
    }
    return result;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
    (void)zone;
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t* out) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (out != NULL) {
        *out = precise.tv_sec;
    }
    return precise.tv_sec;
}
