// SPDX-License-Identifier: MIT-0
// jsonsuite.c -- ckpt_json_check() over the files of a JSON test suite
//
// Of a file whose name begins with y_ it must accept the content, of one with
// n_ refuse it; what it does with others is only counted.
#define CKPT_IMPLEMENTATION
#include "ckpt.h"

#include <stdio.h>
#include <stdlib.h>

// -1: it cannot be read.
static int accepts(const char *name)
{
    FILE *f = fopen(name, "rb");
    long size = -1;
    int result = -1;
    if (f == NULL) {
        return -1;
    }
    if (fseek(f, 0, SEEK_END) == 0) {
        size = ftell(f);
    }
    // Exactly as long as the file, so that reading on is noticed.
    char *text = size < 0 ? NULL : (char *)malloc((size_t)size + (size == 0));
    if (text != NULL && fseek(f, 0, SEEK_SET) == 0 &&
        fread(text, 1, (size_t)size, f) == (size_t)size) {
        ckpt_bytes json;
        json.ptr = text;
        json.len = (size_t)size;
        result = ckpt_json_check(json, NULL) == CKPT_OK;
    }
    free(text);
    (void)fclose(f);
    return result;
}

int main(int argc, char **argv)
{
    unsigned right[2] = { 0, 0 }, free_to[2] = { 0, 0 }, failed = 0;
    for (int i = 1; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        const char *name = slash != NULL ? slash + 1 : argv[i];
        const int accepted = accepts(argv[i]);
        const bool must = strncmp(name, "y_", 2) == 0;
        if (accepted < 0) {
            printf("%s: cannot be read\n", argv[i]);
            failed++;
        } else if (!must && strncmp(name, "n_", 2) != 0) {
            free_to[accepted]++;
        } else if (must == (accepted == 1)) {
            right[accepted]++;
        } else {
            printf("%s: %s\n", name, must ? "refused" : "accepted");
            failed++;
        }
    }
    printf("y_: %u accepted; n_: %u refused; others: %u accepted, %u "
           "refused\n", right[1], right[0], free_to[1], free_to[0]);
    printf("%u passed, %u failed\n", right[0] + right[1], failed);
    return failed > 0 || right[0] == 0 || right[1] == 0;
}
