/* SIMD levels: which instructions the processor has, and how the kernel selects its functions by them.
 *
 * A level is an int, and is chosen once by its name (`level=` in Python, ms_level_named here; "auto" is the highest level that this
 * processor has). Functions that search take it as their first argument; tables and readers keep it in a field `level`.
 *
 *  - A function that needs more than the baseline is compiled for its level with MS_TARGET, and called only at that level or above.
 *  - The baseline is SSE2 on x86-64 and NEON on aarch64. It is compiled without a target, and is used unless the level is
 *    MS_PORTABLE: test MS_HAS_BASELINE(level). With a constant level the compiler removes the test.
 *  - MS_PORTABLE is plain C. Processors without a baseline use it, and so does an x86-64 without SSSE3.
 *  - rewriting.h and the searches of bytes.h for one or two bytes take no level: they use the baseline wherever it exists, and
 *    plain C for the bytes that fill no vector. A build with MS_PORTABLE_ONLY (METRICSCAN_PORTABLE=1) has no baseline.
 *
 * All levels give the same results, and the tests run each of them.
 */
#ifndef METRICSCAN_SIMD_LEVELS_H
#define METRICSCAN_SIMD_LEVELS_H

#include <string.h>

#if defined(MS_PORTABLE_ONLY)
/* The build has the portable level alone, on every processor. */
#elif defined(__x86_64__) /* 32-bit x86 lacks the 64-bit bit instructions, and uses the portable level. */
#define MS_X86 1
#include <cpuid.h>
#include <immintrin.h>
#define MS_TARGET(level) __attribute__((target(level)))
/* Every processor with AVX2 and BMI2 has the others. */
#define MS_AVX2_TARGET "avx2,bmi2,bmi,lzcnt,popcnt"
#define MS_AVX512_TARGET "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi2,bmi,lzcnt,popcnt"
#elif defined(__aarch64__)
#define MS_NEON 1
#include <arm_neon.h>
#endif

/* On x86 each level includes the instructions of all lower levels. */
enum { MS_PORTABLE = 0, MS_SSSE3 = 1, MS_AVX2 = 2, MS_AVX512 = 3, MS_NEON_LEVEL = 4 };
enum { MS_LEVELS = 5, MS_NO_LEVEL = -1 };
static const char *const ms_level_names[MS_LEVELS] = {"portable", "ssse3", "avx2", "avx512", "neon"};

#define MS_HAS_BASELINE(level) ((level) != MS_PORTABLE)

#ifdef MS_X86
/* Not every compiler's __builtin_cpu_supports knows lzcnt. */
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
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2");
#endif
#ifdef MS_NEON
    case MS_NEON_LEVEL: return 1;
#endif
    default: return 0;
    }
}

/* Return the level with this name, or for "auto" the highest one. Returns MS_NO_LEVEL if this processor has no such level. */
static int ms_level_named(const char *name) {
    for (int level = MS_LEVELS; level-- > 0;)
        if (ms_level_available(level) && (!strcmp(name, "auto") || !strcmp(name, ms_level_names[level]))) return level;
    return MS_NO_LEVEL;
}

#endif
