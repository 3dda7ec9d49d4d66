/* What the processor can do, and functions compiled for it. */
#ifndef METRICSCAN_LEVELS_H
#define METRICSCAN_LEVELS_H

#if defined(__x86_64__) /* 32-bit x86 has no 64-bit bit instructions: it takes the portable level */
#define MS_X86 1
#include <cpuid.h>
#include <immintrin.h>
#define MS_TARGET(level) __attribute__((target(level)))
/* Every processor with the first two has the others. */
#define MS_AVX2_TARGET "avx2,bmi2,bmi,lzcnt,popcnt"
#define MS_AVX512_TARGET "avx512f,avx512bw,avx512vl,avx512vbmi,avx2,bmi2,bmi,lzcnt,popcnt"
#elif defined(__aarch64__)
#define MS_NEON 1
#include <arm_neon.h>
#endif

/* Of x86 each level has what those below have. */
enum { MS_PORTABLE = 0, MS_SSSE3 = 1, MS_AVX2 = 2, MS_AVX512 = 3, MS_NEON_LEVEL = 4 };

#ifdef MS_X86
/* __builtin_cpu_supports does not know it everywhere. */
static int ms_has_lzcnt(void) {
    unsigned a, b, c, d;
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c >> 5 & 1);
}
#endif

static int ms_level_available(int level) {
    switch (level) {
    case MS_PORTABLE: return 1;
#ifdef MS_X86
    case MS_SSSE3: return __builtin_cpu_supports("ssse3") != 0;
    case MS_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("bmi") &&
               __builtin_cpu_supports("popcnt") && ms_has_lzcnt();
    case MS_AVX512:
        return ms_level_available(MS_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi");
#endif
#ifdef MS_NEON
    case MS_NEON_LEVEL: return 1;
#endif
    default: return 0;
    }
}

#endif
