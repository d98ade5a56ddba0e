/* The load generator's receiving loop: takes what the servers send, answers pings, counts events and their latencies.
   The same as PythonDrain in drain.py, which explains the rules, without Python's cost for each read. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, BUCKETS = 10240, MARK = 33, MARK_END = 3, MOST = 1 << 15, MOST_REST = 1 << 20 };

struct client { char *rest; uint32_t have, room, next; int open; };
struct drain {
    int epoll, step;
    uint32_t half;
    int64_t received, disorder, pings, closed, bytes, longest_ns, stray;
    uint32_t latencies[2][BUCKETS];
    struct client clients[MOST];
    char buffer[BUFFER + MOST_REST];
};

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t digits(const char *at, int n) {
    int64_t value = 0;
    while (n--) value = value * 10 + (*at++ - '0');
    return value;
}

static uint32_t bucket(int64_t us) {
    if (us < 0) us = 0;
    int e = us < 1024 ? 0 : 54 - __builtin_clzll((unsigned long long)us);
    uint32_t at = us < 1024 ? (uint32_t)us : 512 * e + (uint32_t)(us >> e);
    return at < BUCKETS ? at : BUCKETS - 1;
}

static void take_event(struct drain *d, struct client *c, const char *mark, int64_t now) {
    if (digits(mark + 2, 4) != d->step) { d->stray++; return; }
    uint32_t number = (uint32_t)digits(mark + 6, 8);
    if (number != c->next) d->disorder++;
    c->next = number + 1;
    d->received++;
    d->latencies[number >= d->half][bucket((now - digits(mark + 14, 19)) / 1000)]++;
}

/* The length of the whole frame at p, 0 if it is not all there; its payload's place in *start. */
static uint64_t frame(const unsigned char *p, uint64_t n, uint64_t *start) {
    if (n < 2) return 0;
    uint64_t length = p[1] & 127;
    *start = 2;
    if (length == 126) {
        if (n < 4) return 0;
        length = (uint64_t)p[2] << 8 | p[3];
        *start = 4;
    } else if (length == 127) {
        if (n < 10) return 0;
        length = 0;
        for (int i = 2; i < 10; i++) length = length << 8 | p[i];
        *start = 10;
    }
    return *start + length <= n ? *start + length : 0;
}

static void gone(struct drain *d, int fd) {
    struct client *c = &d->clients[fd];
    if (!c->open) return;
    c->open = 0;
    d->closed++;
    epoll_ctl(d->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void take_bytes(struct drain *d, int fd, const char *data, uint64_t n, int64_t now) {
    struct client *c = &d->clients[fd];
    uint64_t at = 0, start = 0, size;
    while ((size = frame((const unsigned char *)data + at, n - at, &start))) {
        const char *payload = data + at + start;
        uint64_t length = size - start;
        int opcode = data[at] & 15;
        if (opcode == 1 && length == 1 && payload[0] == '2') {
            d->pings++;
            if (send(fd, "\x81\x81\0\0\0\0" "3", 7, MSG_DONTWAIT | MSG_NOSIGNAL) != 7) gone(d, fd);
        } else if (opcode == 8) {
            gone(d, fd);
        } else if (opcode == 1 && length > MARK + MARK_END) {
            const char *mark = payload + length - MARK_END - MARK;
            if (mark[-1] == '"' && mark[0] == 'T' && mark[1] == 'B') take_event(d, c, mark, now);
        }
        at += size;
    }
    c->have = (uint32_t)(n - at);
    if (n - at > MOST_REST) { /* no frame of a measurement is that long */
        c->have = 0;
        gone(d, fd);
    }
    if (c->have > c->room) {
        c->room = c->have;
        c->rest = realloc(c->rest, c->room);
    }
    if (c->have) memmove(c->rest, data + at, c->have);
}

struct drain *drain_new(void) {
    struct drain *d = calloc(1, sizeof *d);
    if (d) d->epoll = epoll_create1(EPOLL_CLOEXEC);
    return d;
}

int drain_add(struct drain *d, int fd, const char *rest, int n) {
    if (fd >= MOST) return -1;
    struct client *c = &d->clients[fd];
    c->open = 1;
    c->have = c->next = 0;
    struct epoll_event want = {.events = EPOLLIN, .data.fd = fd};
    take_bytes(d, fd, rest, (uint64_t)n, now_ns());
    return epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &want);
}

/* Forget a socket before it is closed by us. */
void drain_remove(struct drain *d, int fd) {
    if (d->clients[fd].open) epoll_ctl(d->epoll, EPOLL_CTL_DEL, fd, NULL);
    d->clients[fd].open = 0;
}

void drain_reset(struct drain *d, int step, uint32_t half) {
    d->step = step;
    d->half = half;
    d->received = d->disorder = d->pings = d->bytes = d->longest_ns = d->stray = 0;
    memset(d->latencies, 0, sizeof d->latencies);
    for (int i = 0; i < MOST; i++) d->clients[i].next = 0;
}

void drain_run(struct drain *d, double seconds) {
    static struct epoll_event ready[1024];
    int64_t now = now_ns(), end = now + (int64_t)(seconds * 1e9);
    while (now < end) {
        int n = epoll_wait(d->epoll, ready, 1024, (int)((end - now) / 1000000) + 1);
        int64_t began = now_ns();
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            struct client *c = &d->clients[fd];
            if (!c->open) continue;
            if (c->have) memcpy(d->buffer, c->rest, c->have);
            ssize_t got = recv(fd, d->buffer + c->have, BUFFER, MSG_DONTWAIT);
            if (got > 0) {
                d->bytes += got;
                take_bytes(d, fd, d->buffer, c->have + (uint64_t)got, now_ns());
            } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
                gone(d, fd);
            }
        }
        now = now_ns();
        if (now - began > d->longest_ns) d->longest_ns = now - began;
    }
}

void drain_figures(struct drain *d, int64_t *out) {
    int64_t all[] = {d->received, d->disorder, d->pings, d->closed, d->bytes, d->longest_ns, d->stray};
    memcpy(out, all, sizeof all);
}

uint32_t *drain_latencies(struct drain *d) { return &d->latencies[0][0]; }
