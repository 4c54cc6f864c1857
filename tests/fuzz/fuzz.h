// SPDX-License-Identifier: MIT-0
// fuzz.h -- what the fuzz targets share
//
// A target is one file that defines fuzz_one(). With -fsanitize=fuzzer it is
// a fuzzer; with -DFUZZ_MAIN a program that runs each file it is given, so
// that any compiler can replay what was found. A broken promise aborts with
// the line and the file.
#ifndef FUZZ_H
#define FUZZ_H

#define CKPT_IMPLEMENTATION
#define CKPT_STORE_FS_IMPLEMENTATION
#include "simdisk.h"

static const char *fuzz_file = "(input)";   // what is being replayed

#define FUZZ_CHECK(c) ((c) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #c))

#if defined(__GNUC__) || defined(__clang__)
    #define FUZZ_FN __attribute__((unused)) static
#else
    #define FUZZ_FN static
#endif

FUZZ_FN void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: FUZZ_CHECK(%s) of %s\n", file, line, what,
            fuzz_file);
    abort();
}

static void fuzz_one(const uint8_t *data, size_t size);

//--- The input, taken apart ---------------------------------------------------

// At its end it gives zeros, so that every prefix of an input is one, too.
typedef struct fuzz_in {
    const uint8_t *at;
    size_t         left;
} fuzz_in;

FUZZ_FN unsigned fuzz_byte(fuzz_in *in)
{
    if (in->left == 0) {
        return 0;
    }
    in->left--;
    return *in->at++;
}

FUZZ_FN unsigned fuzz_word(fuzz_in *in)
{
    const unsigned low = fuzz_byte(in);
    return low | fuzz_byte(in) << 8;
}

FUZZ_FN ckpt_bytes fuzz_take(fuzz_in *in, size_t n)
{
    ckpt_bytes bytes;
    bytes.ptr = in->at;
    bytes.len = n < in->left ? n : in->left;
    in->at += bytes.len;
    in->left -= bytes.len;
    return bytes;
}

// A copy that ends where its memory ends, so that reading on is noticed.
FUZZ_FN void *fuzz_copy(const void *bytes, size_t n)
{
    void *copy = malloc(n > 0 ? n : 1);
    if (copy == NULL) {
        abort();
    }
    if (n > 0) {
        memcpy(copy, bytes, n);
    }
    return copy;
}

FUZZ_FN bool fuzz_same(ckpt_bytes a, ckpt_bytes b)
{
    return a.len == b.len && (a.ptr == NULL) == (b.ptr == NULL) &&
           (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

//--- The simulated disk -------------------------------------------------------

// A process of our own user: the store takes nobody else's directory.
FUZZ_FN sim_proc *fuzz_proc(sim_disk *disk, int64_t pid)
{
    sim_proc *p = sim_proc_new(disk, pid);
    p->uid = (uint32_t)geteuid();
    return p;
}

FUZZ_FN ckpt_code fuzz_store(ckpt_store_fs *fs, sim_proc *p)
{
    ckpt_store_fs_desc desc;
    memset(&desc, 0, sizeof(desc));
    desc.dir = "/runs";
    desc.calls = sim_calls();
    desc.calls_user = p;
    return ckpt_store_fs_open(fs, &desc, NULL);
}

// Closes a store and sees to it that nothing is left open, and that every
// system call was one that the contract allows.
FUZZ_FN void fuzz_store_end(ckpt_store_fs *fs, sim_proc *p)
{
    ckpt_store_fs_close(fs);
    FUZZ_CHECK(p->dead || sim_open_count(p) == 0);
    if (p->disk->misuse != NULL) {
        fuzz_fail(__FILE__, __LINE__, p->disk->misuse);
    }
}

//--- Entry points -------------------------------------------------------------

#ifdef FUZZ_MAIN

static void fuzz_run_file(const char *name)
{
    FILE *f = fopen(name, "rb");
    long size = -1;
    fuzz_file = name;
    if (f != NULL && fseek(f, 0, SEEK_END) == 0) {
        size = ftell(f);
    }
    if (f == NULL || size < 0 || fseek(f, 0, SEEK_SET) != 0) {
        fuzz_fail(__FILE__, __LINE__, "the file can be read");
        return;
    }
    uint8_t *data = (uint8_t *)malloc((size_t)size + (size == 0));
    if (data == NULL || fread(data, 1, (size_t)size, f) != (size_t)size) {
        fuzz_fail(__FILE__, __LINE__, "the file can be read");
    }
    (void)fclose(f);
    fuzz_one(data, (size_t)size);
    free(data);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        fuzz_run_file(argv[i]);
    }
    return 0;
}

#else

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_one(data, size);
    return 0;
}

#endif

#endif /* FUZZ_H */
