/*
 * The other end of a stream, written from docs/protocol.md and nothing else: connects to a listener, and then does
 * what its second argument says. Numbers in comments are sections of that document.
 *
 *   peer PATH echo CAPACITY FLAGS      sends back what it gets, and ends as it is ended
 *   peer PATH fail CAPACITY FLAGS      sends some bytes and closes with an error
 *   peer PATH refuse CAPACITY FLAGS    reads a little, then closes its reading end with an error
 *   peer PATH vanish CAPACITY FLAGS    sends some bytes and ends without a last word
 *
 * FLAGS are those of the hello. The last line on standard output tells how the stream ended, as seen from here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define FIXED (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define READ_ONLY_FOR_OTHERS (FIXED | F_SEAL_FUTURE_WRITE)
#define PAGE 0x1000
#define GREETING 128

/* 2.2: offsets in a side area. */
enum { POSITION = 0x080, PARKED = 0x100, WANT = 0x108, STATE = 0x180, KIND = 0x184, LENGTH = 0x188, TEXT = 0x190 };
enum { OPEN, CLOSED, ERROR };
enum { ON_BELL = 1, ON_SOCKET = 2 };

struct end {
    bool producer;
    uint8_t *own, *bells, *data;       /* written here; the data only by a producer */
    const uint8_t *peer;               /* the other side area, read-only */
    uint64_t capacity, pos, peer_pos;  /* own position, and the last checked one of the peer */
    uint64_t sleeps, rung_for;
    int peer_socket;                   /* to ring a peer that polls, or -1 */
};

static int tie = -1; /* the socket of the handshake */
static bool sleeper_fences; /* 5.1 */
static unsigned long late; /* sleeps that nobody ended although there was something */

static void die(const char *what)
{
    fprintf(stderr, "peer: %s: %s\n", what, errno ? strerror(errno) : "refused");
    exit(1);
}

static _Atomic uint64_t *word64(const uint8_t *area, size_t at) { return (_Atomic uint64_t *)(uintptr_t)(area + at); }
static _Atomic uint32_t *word32(const uint8_t *area, size_t at) { return (_Atomic uint32_t *)(uintptr_t)(area + at); }
static void put(uint8_t *to, uint64_t value, int bytes) { for (; bytes--; value >>= 8) *to++ = (uint8_t)value; }
static uint64_t get(const uint8_t *from, int bytes)
{
    uint64_t value = 0;
    while (bytes--) value = value << 8 | from[bytes];
    return value;
}

/* 2.3 */
static uint32_t crc32c(const uint8_t *bytes, size_t length)
{
    uint32_t crc = ~0u;
    while (length--) {
        crc ^= *bytes++;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78u & -(crc & 1));
    }
    return ~crc;
}

/* 2.1: made, sized, allocated. Mapped and sealed by the caller, in this order. */
static int make_file(size_t size)
{
    int fd = memfd_create("foreign", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)size) || fallocate(fd, 0, 0, (off_t)size)) die("making a file");
    return fd;
}

static void *map(int fd, size_t size, int protection)
{
    void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) die("mapping");
    return memory;
}

static void seal(int fd, int seals) { if (fcntl(fd, F_ADD_SEALS, seals)) die("sealing"); }

/* 2.1: what the receiver of a descriptor demands. */
static void check_file(int fd, size_t size, int seals)
{
    struct stat stat;
    struct statfs fs;
    errno = 0;
    int has = fcntl(fd, F_GET_SEALS);
    if (has < 0 || (has & seals) != seals) die("seals");
    if (fstat(fd, &stat) || (size_t)stat.st_size != size || (size_t)stat.st_blocks < size / 512) die("size");
    if (fstatfs(fd, &fs) || (fs.f_type != 0x01021994 && fs.f_type != (long)0x958458f6)) die("file system");
}

/* 3.1: everything but the checksum and what is particular to a kind. */
static void prologue(uint8_t *bytes, const char *magic, uint32_t length, uint64_t capacity, const uint8_t *nonce)
{
    memcpy(bytes, magic, 8);
    put(bytes + 0x08, 1, 2);
    put(bytes + 0x0c, length, 4);
    put(bytes + 0x10, 0x01020304, 4);
    put(bytes + 0x18, capacity, 8);
    put(bytes + 0x20, PAGE, 8);
    memcpy(bytes + 0x28, nonce, 16);
}

static void send_hello(const uint8_t *hello, const int fds[3])
{
    union { struct cmsghdr header; char room[CMSG_SPACE(3 * sizeof(int))]; } control = {0};
    struct iovec vector = {(void *)(uintptr_t)hello, GREETING};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(3 * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, 3 * sizeof(int));
    if (sendmsg(tie, &message, MSG_NOSIGNAL) != GREETING) die("sending the hello");
}

/* Gives the number of descriptors. */
static int receive_welcome(uint8_t *welcome, int fds[8])
{
    int got = 0, count = 0;
    while (got < GREETING) {
        union { struct cmsghdr header; char room[CMSG_SPACE(8 * sizeof(int))]; } control;
        struct iovec vector = {welcome + got, (size_t)(GREETING - got)};
        struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        struct pollfd ready = {tie, POLLIN, 0};
        errno = 0;
        ssize_t n = poll(&ready, 1, 1000) == 1 ? recvmsg(tie, &message, MSG_CMSG_CLOEXEC) : -1;
        if (n <= 0 || message.msg_flags & MSG_CTRUNC) die("receiving the welcome");
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
            if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
            int more = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            if (count + more > 5) die("too many descriptors");
            memcpy(fds + count, CMSG_DATA(h), (size_t)more * sizeof(int));
            count += more;
        }
        got += (int)n;
    }
    return count;
}

/* 3: hello, welcome, and the two directions. */
static void meet(const char *path, uint64_t capacity, uint32_t flags, struct end *in, struct end *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    tie = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(tie, (struct sockaddr *)&address, sizeof address)) die("connecting");
    struct ucred user;
    socklen_t length = sizeof user;
    errno = 0;
    if (getsockopt(tie, SOL_SOCKET, SO_PEERCRED, &user, &length) || user.uid != geteuid()) die("user");

    uint8_t nonce[16], hello[GREETING] = {0}, welcome[GREETING];
    if (getrandom(nonce, sizeof nonce, 0) != sizeof nonce) die("random bytes");
    int own[3] = {make_file(PAGE + capacity), make_file(PAGE), make_file(PAGE)};
    out->own = map(own[0], PAGE + capacity, PROT_READ | PROT_WRITE);
    out->bells = map(own[1], PAGE, PROT_READ | PROT_WRITE);
    in->own = map(own[2], PAGE, PROT_READ | PROT_WRITE);
    prologue(out->own, "ringpipe", 64, capacity, nonce);
    put(out->own + 0x38, crc32c(out->own, 0x38), 4);
    seal(own[0], READ_ONLY_FOR_OTHERS);
    seal(own[1], FIXED);
    seal(own[2], READ_ONLY_FOR_OTHERS);
    prologue(hello, "ringmeet", GREETING, capacity, nonce);
    put(hello + 0x14, 1, 4);
    if (flags && syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0)) die("membarrier");
    put(hello + 0x78, flags, 4);
    put(hello + 0x7c, crc32c(hello, 0x7c), 4);
    send_hello(hello, own);

    int fds[8];
    int count = receive_welcome(welcome, fds);
    errno = 0;
    if (memcmp(welcome, "ringmeet", 8) || get(welcome + 0x10, 4) != 0x01020304) die("not ringpipe");
    if (get(welcome + 0x08, 2) != 1) die("version");
    if (get(welcome + 0x0c, 4) != GREETING || get(welcome + 0x7c, 4) != crc32c(welcome, 0x7c)) die("checksum");
    if (get(welcome + 0x14, 4) == 3) {
        printf("refused: %.48s\n", (char *)welcome + 0x48);
        exit(0);
    }
    if (get(welcome + 0x14, 4) != 2 || memcmp(welcome + 0x38, nonce, 16)) die("no welcome for this hello");
    if ((count != 3 && count != 5) || get(welcome + 0x78, 4) > 1) die("descriptors or flags");
    sleeper_fences = flags & get(welcome + 0x78, 4);
    in->capacity = get(welcome + 0x18, 8);
    if (in->capacity < PAGE || in->capacity > 1 << 26 || in->capacity & (in->capacity - 1)) die("capacity");
    check_file(fds[0], PAGE + in->capacity, READ_ONLY_FOR_OTHERS);
    check_file(fds[1], PAGE, FIXED);
    check_file(fds[2], PAGE, READ_ONLY_FOR_OTHERS);
    in->peer = map(fds[0], PAGE + in->capacity, PROT_READ);
    in->bells = map(fds[1], PAGE, PROT_READ | PROT_WRITE);
    out->peer = map(fds[2], PAGE, PROT_READ);
    uint8_t header[64];
    memcpy(header, in->peer, sizeof header);
    if (memcmp(header, "ringpipe", 8) || get(header + 0x38, 4) != crc32c(header, 0x38)) die("header");
    if (memcmp(header + 0x18, welcome + 0x18, 8 + 8 + 16) || get(header + 0x20, 8) != PAGE) die("another header");

    out->producer = true;
    out->capacity = capacity;
    out->data = out->own + PAGE;
    in->data = (uint8_t *)(uintptr_t)in->peer + PAGE; /* only ever read */
    /* 8: the first socket is for the peer's reader, which our writer rings. */
    out->peer_socket = count == 5 ? fds[3] : -1;
    in->peer_socket = count == 5 ? fds[4] : -1;
    for (int i = 0; i < 3; i++) close(own[i]), close(fds[i]);
}

static _Atomic uint32_t *bell(struct end *end, bool of_producer) { return word32(end->bells, of_producer ? 0x080 : 0x000); }

static void ring_peer(struct end *end, uint64_t parked)
{
    if ((parked & 3) == ON_SOCKET && end->peer_socket >= 0) {
        send(end->peer_socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        return;
    }
    atomic_fetch_add_explicit(bell(end, !end->producer), 1, memory_order_release);
    syscall(SYS_futex, bell(end, !end->producer), FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* 5, p1 to p7; the bytes are copied. E1, E2. */
static void advance(struct end *end, uint64_t n)
{
    end->pos += n;
    atomic_store_explicit(word64(end->own, POSITION), end->pos, memory_order_release);
    sleeper_fences ? atomic_signal_fence(memory_order_seq_cst) : atomic_thread_fence(memory_order_seq_cst);
    uint64_t parked = atomic_load_explicit(word64(end->peer, PARKED), memory_order_acquire);
    // A sleep with the number 0 is none: its side only asks for the fence, which this program always has.
    if (parked >> 2 == 0 || parked == end->rung_for) return;
    uint64_t want = atomic_load_explicit(word64(end->peer, WANT), memory_order_relaxed);
    if ((int64_t)(end->pos - want) < 0) return;
    end->rung_for = parked;
    ring_peer(end, parked);
}

/* 4: how many bytes may be moved, after the check of the peer's position. */
static uint64_t look(struct end *end)
{
    uint64_t pos = atomic_load_explicit(word64(end->peer, POSITION), memory_order_acquire);
    errno = 0;
    if (end->producer) {
        if (end->pos - pos > end->pos - end->peer_pos) die("corrupt read position");
    } else if (pos - end->pos > end->capacity || pos - end->pos < end->peer_pos - end->pos) {
        die("corrupt write position");
    }
    end->peer_pos = pos;
    return end->producer ? end->capacity - (end->pos - pos) : pos - end->pos;
}

static uint32_t state(struct end *end) { return atomic_load_explicit(word32(end->peer, STATE), memory_order_acquire); }

/* 5, w1 to w7, for one byte; in slices, because nobody else here looks for death. Tells whether the peer has died. */
static bool sleep_once(struct end *end)
{
    struct timespec slice = {0, 50 * 1000 * 1000};
    uint32_t listened = atomic_load_explicit(bell(end, end->producer), memory_order_acquire);
    uint64_t want = end->producer ? end->pos + 1 - end->capacity : end->pos + 1;
    atomic_store_explicit(word64(end->own, WANT), want, memory_order_relaxed);
    atomic_store_explicit(word64(end->own, PARKED), ++end->sleeps << 2 | ON_BELL, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    /* Should it fail, the slice is the short sleep that 5.1 asks for. */
    if (sleeper_fences) syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    bool timed_out = false;
    if (state(end) == OPEN && look(end) == 0)
        timed_out = syscall(SYS_futex, bell(end, end->producer), FUTEX_WAIT, listened, &slice, NULL, 0) && errno == ETIMEDOUT;
    atomic_store_explicit(word64(end->own, PARKED), 0, memory_order_relaxed);
    if (timed_out && (state(end) != OPEN || look(end))) late++;
    struct pollfd sign = {tie, POLLRDHUP, 0};
    return timed_out && poll(&sign, 1, 0) == 1;
}

/* How a wait ended: bytes to move, the peer's last word (6.1), or its death (7). */
enum outcome { BYTES, ENDED, DIED };

static enum outcome wait_for(struct end *end, uint64_t *n)
{
    for (bool died = false;;) {
        uint32_t word = state(end); /* E5: before the position */
        *n = look(end);
        if (word > ERROR) die("corrupt state");
        if (word != OPEN && (end->producer || *n == 0)) return ENDED;
        if (*n || died) return *n ? BYTES : DIED;
        died = sleep_once(end);
    }
}

static enum outcome read_some(struct end *in, uint8_t *buffer, uint64_t *n)
{
    uint64_t room = *n, at = in->pos & (in->capacity - 1);
    enum outcome outcome = wait_for(in, n);
    if (outcome != BYTES) return outcome;
    if (*n > room) *n = room;
    uint64_t first = *n < in->capacity - at ? *n : in->capacity - at;
    memcpy(buffer, in->data + at, first);
    memcpy(buffer + first, in->data, *n - first);
    advance(in, *n);
    return BYTES;
}

static enum outcome write_all(struct end *out, const uint8_t *bytes, uint64_t length)
{
    while (length) {
        uint64_t n, at = out->pos & (out->capacity - 1);
        enum outcome outcome = wait_for(out, &n);
        if (outcome != BYTES) return outcome;
        if (n > length) n = length;
        uint64_t first = n < out->capacity - at ? n : out->capacity - at;
        memcpy(out->data + at, bytes, first);
        memcpy(out->data, bytes + first, n - first);
        advance(out, n);
        bytes += n;
        length -= n;
    }
    return BYTES;
}

/* 6.1: kind 0 and no text close without an error. */
static void close_end(struct end *end, uint32_t kind, const char *text)
{
    if (text) {
        uint64_t words[30] = {0};
        size_t length = strnlen(text, sizeof words);
        memcpy(words, text, length);
        for (int i = 0; i < 30; i++) atomic_store_explicit(word64(end->own, TEXT + 8 * (size_t)i), words[i], memory_order_relaxed);
        atomic_store_explicit(word32(end->own, LENGTH), (uint32_t)length, memory_order_relaxed);
        atomic_store_explicit(word32(end->own, KIND), kind, memory_order_relaxed);
    }
    atomic_store_explicit(word32(end->own, STATE), text ? ERROR : CLOSED, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst);
    ring_peer(end, atomic_load_explicit(word64(end->peer, PARKED), memory_order_relaxed));
}

/* Tells how `end` ended; with an error, its text goes to `text` and its kind is the result. */
static uint32_t tell(struct end *end, enum outcome outcome, char text[241])
{
    uint32_t kind = 0, word = state(end);
    text[0] = 0;
    if (outcome == ENDED && word == ERROR) {
        uint64_t words[30];
        uint32_t length = atomic_load_explicit(word32(end->peer, LENGTH), memory_order_relaxed);
        kind = atomic_load_explicit(word32(end->peer, KIND), memory_order_relaxed);
        for (int i = 0; i < 30; i++) words[i] = atomic_load_explicit(word64(end->peer, TEXT + 8 * (size_t)i), memory_order_relaxed);
        memcpy(text, words, 240);
        text[length > 240 ? 240 : length] = 0;
    }
    const char *how = outcome == DIED ? "died" : word == ERROR ? "error" : "closed";
    printf("bytes=%llu end=%s kind=%u text=%s sleeps=%llu late=%lu\n", (unsigned long long)end->pos, how, kind, text,
           (unsigned long long)end->sleeps, late);
    return kind;
}

int main(int count, char **args)
{
    static uint8_t buffer[100 * 1000];
    struct end in = {0}, out = {0};
    char text[241];
    bool refused = false; /* in that mode, once */
    if (count != 5) die("usage: peer PATH echo|fail|refuse|vanish CAPACITY FLAGS");
    meet(args[1], strtoull(args[3], NULL, 10), (uint32_t)strtoul(args[4], NULL, 10), &in, &out);
    const char *mode = args[2];
    if (!strcmp(mode, "vanish") || !strcmp(mode, "fail")) {
        if (write_all(&out, (const uint8_t *)"from afar", 9) != BYTES) die("writing");
        if (!strcmp(mode, "vanish")) _exit(0);
        close_end(&out, 23, "the foreign disk is full");
    }
    uint64_t n = sizeof buffer;
    enum outcome outcome = BYTES;
    while (outcome == BYTES && (outcome = read_some(&in, buffer, &n)) == BYTES) {
        if (!strcmp(mode, "refuse") && !refused) {
            close_end(&in, 20, "not in my language");
            refused = true; /* what was sent meanwhile is thrown away */
        } else if (!strcmp(mode, "echo") && write_all(&out, buffer, n) != BYTES) {
            die("writing");
        }
        n = sizeof buffer;
    }
    uint32_t kind = tell(&in, outcome, text);
    if (strcmp(mode, "fail")) close_end(&out, kind, text[0] ? text : NULL);
    if (!refused) close_end(&in, 0, NULL);
    return 0;
}
