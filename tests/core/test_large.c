// SPDX-License-Identifier: MIT-0
// A transcript of 4 MiB on a real file system. That its saves need no memory of
// their own follows from the form checks: no heap, and a bounded stack.
#define _XOPEN_SOURCE 700

#include "ckpt_store_fs.h"
#include "temp_dir.h"
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#define LIST(X)                                                                \
    X(a_transcript_of_4_mib_is_saved_grown_and_loaded_into_one_buffer)
TEST_SUITE(large, LIST)

#define SIZE (4U << 20)

static ckpt_run run;
static ckpt_ctx ctx;
static char     wanted[SIZE + 65536], loaded[SIZE + 131072];

// Adds one message of n bytes to the transcript, which ends in ']'. Returns
// where it begins.
static size_t add(size_t *len, size_t n, char c)
{
    const size_t from = *len - 1;
    if (from > 1) {
        wanted[from] = ',';
    }
    const size_t at = from > 1 ? from + 1 : from;
    wanted[at] = '"';
    memset(wanted + at + 1, c, n - 2);
    wanted[at + n - 1] = '"';
    wanted[at + n] = ']';
    *len = at + n + 1;
    return at;
}

static ckpt_code save_from(uint64_t turn, const char *json, size_t len,
                           uint64_t at)
{
    ckpt_save_desc save;
    memset(&save, 0, sizeof(save));
    save.anew = true;
    save.turn = turn;
    save.messages.ptr = json;
    save.messages.len = len;
    save.append_at = at;
    return ckpt_save(&run, &save);
}

static void grow_and_load(void)
{
    static char one[1100];
    ckpt_checkpoint last;
    size_t len = 2;
    memcpy(wanted, "[]", 2);
    while (len < SIZE) {
        (void)add(&len, 4096, 'm');
    }
    CHECK_INT(save_from(1, wanted, len, 0), CKPT_OK);
    for (uint64_t turn = 2; turn < 10; turn++) {
        const size_t at = add(&len, 1024, 'n');
        one[0] = '[';
        memcpy(one + 1, wanted + at, len - at);
        CHECK_INT(save_from(turn, one, len - at + 1, run.messages), CKPT_OK);
    }
    CHECK_INT(ckpt_load(&run, &last, loaded, sizeof(loaded)), CKPT_OK);
    CHECK_INT(last.messages.len, len);
    CHECK(last.messages.len == len && last.messages.ptr != NULL &&
          memcmp(last.messages.ptr, wanted, len) == 0);
    CHECK(run.checkpoint_size < len + 1024);
}

static void a_transcript_of_4_mib_is_saved_grown_and_loaded_into_one_buffer(
    void)
{
    char dir[256];
    ckpt_store_fs fs;
    ckpt_desc desc;
    ckpt_run_desc one;
    ckpt_store_fs_desc where;
    ckpt_error err;
    memset(&desc, 0, sizeof(desc));
    memset(&one, 0, sizeof(one));
    memset(&where, 0, sizeof(where));
    where.dir = dir;
    desc.store = &fs.base;
    desc.throttle_ms = CKPT_OFF;
    one.id = "large";
    if (!CHECK(temp_dir_make(dir, sizeof(dir), "large")) ||
        !CHECK_INT(ckpt_store_fs_open(&fs, &where, &err), CKPT_OK)) {
        return;
    }
    CHECK_INT(ckpt_init(&ctx, &desc), CKPT_OK);
    CHECK_INT(ckpt_open(&ctx, &run, &one), CKPT_OK);
    grow_and_load();
    CHECK_INT(ckpt_finish(&run, CKPT_COMPLETED, NULL), CKPT_OK);
    ckpt_store_fs_close(&fs);
    char probe[300];
    snprintf(probe, sizeof(probe), "%s/.probe", dir);
    (void)unlink(probe);
    CHECK_INT(rmdir(dir), 0);
}
