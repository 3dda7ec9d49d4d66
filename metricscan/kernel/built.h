/* The import of a compiled module fails if the sources beside it are not those from which it was built.

setup.py passes a list of the module's sources to the compiler: METRICSCAN_SOURCES is "flags NAME DIGEST NAME DIGEST ..". The
names are relative to the folder of the module, and its .pyx is the first. In a checkout the sources lie beside the module, and a
module that was built from other sources must not be imported: its rows would not be those of the code that a reader sees. An
installed module has no sources beside it: its check costs one failed open(). In a checkout the check of all modules together
takes 0.2 ms. */

#ifndef MS_BUILT_H
#define MS_BUILT_H

#include <Python.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef METRICSCAN_SOURCES
#error "setup.py defines METRICSCAN_SOURCES"
#endif

enum { MS_PATH_BYTES = 4096 };

/* Compute the digest of a file, eight bytes at a time; setup.py has the same function in Python. Returns 0 if the file cannot be read. */
static int ms_digest(const char *path, uint64_t *digest) {
    uint64_t words[1024], h = 0, total = 0;
    size_t n;
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 0;
    setvbuf(file, NULL, _IONBF, 0);
    do {
        memset(words, 0, sizeof words);
        n = fread(words, 1, sizeof words, file);
        for (size_t i = 0; i < (n + 7) / 8; i++) {
            h = (h ^ words[i]) * UINT64_C(0xff51afd7ed558ccd);
            h ^= h >> 32;
        }
        total += n;
    } while (n == sizeof words);
    const int failed = ferror(file);
    fclose(file);
    *digest = h ^ total;
    return !failed;
}

/* Return METRICSCAN_SOURCES as a str. Raises an ImportError if the sources beside the module differ from it. */
static PyObject *ms_built_from(PyObject *file) {
    static const char sources[] = METRICSCAN_SOURCES;
    char path[MS_PATH_BYTES];
    PyObject *bytes;
    const char *slash, *at;
    size_t folder;
    int first = 1;

    if (!PyUnicode_FSConverter(file, &bytes)) return NULL;
    slash = strrchr(PyBytes_AS_STRING(bytes), '/');
    folder = slash == NULL ? 0 : (size_t)(slash + 1 - PyBytes_AS_STRING(bytes));
    if (folder < sizeof path) memcpy(path, PyBytes_AS_STRING(bytes), folder);
    Py_DECREF(bytes);

    for (at = strchr(sources, ' '); at != NULL; first = 0) {
        const char *name = at + 1, *end = strchr(name, ' ');
        const size_t length = (size_t)(end - name);
        uint64_t built_from, found;
        char *after;
        if (folder + length >= sizeof path) break; /* The path is too long to be opened. */
        memcpy(path + folder, name, length);
        path[folder + length] = 0;
        built_from = strtoull(end + 1, &after, 16);
        at = *after == ' ' ? after : NULL;
        if (!ms_digest(path, &found)) {
            if (first) break; /* The module is installed: no sources lie beside it. */
            found = ~built_from;
        }
        if (found != built_from)
            return PyErr_Format(
                PyExc_ImportError,
                "%S was built from other sources than those beside it: %s differs; build it again with `make build` or "
                "`pip install -e .`", file, path
            );
    }
    return PyUnicode_FromString(sources);
}

#endif
