// A link between two network namespaces, through a TUN device in each.
//
//   emulator NSA NSB [--rate BITS/s] [--delay MS] [--loss P] [--queue PACKETS] [--seed N] [--mtu BYTES]
//
// NSA gets 10.99.0.1, NSB 10.99.0.2; both directions have the same rate, one-way delay, loss and queue. Whether a packet is lost depends on
// the seed, the direction and its number in that direction, and on nothing else: whoever sends the nth packet, it meets the same fate.
// A packet is lost before the queue; a full queue drops what comes. Says "ready" on stderr, and counters as a line of JSON at its end.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull
// Read at once from one side before the other has its turn.
#define BURST 64
// While packets come thick the link looks at most this often, ns: to be woken for every packet costs those who send more than the sending does.
#define QUANTUM 100000

typedef struct Packet {
  struct Packet *next;
  uint64_t leaves, arrives; // ns: off the sender's wire, at the receiver
  int length;
  unsigned char data[];
} Packet;

typedef struct {
  int from, to;
  uint64_t salt;
  // All packets under way, in order; `unsent` is the first whose transmission was not over when that was last looked at.
  Packet *first, *last, *unsent;
  int queued;          // from `unsent` on
  uint64_t idle_at;    // when the wire is free
  uint64_t seen, lost, dropped, forwarded, bytes;
  uint64_t waited;     // ns that packets waited for the wire, all together
} Direction;

static double rate = 0, loss = 0;
static uint64_t delay = 0, seed = 1;
static int queue_limit = 1000, mtu = 1500;
static volatile sig_atomic_t stopped = 0;

static void stop(int signal) { (void)signal; stopped = 1; }

static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * SECOND + time.tv_nsec;
}

// splitmix64: every number gives an independent one.
static uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

static double fate(const Direction *direction) {
  return (mix(direction->salt ^ mix(direction->seen)) >> 11) * (1.0 / 9007199254740992.0);
}

static void configure(const char *address) {
  struct ifreq request = {0};
  struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
  int control = socket(AF_INET, SOCK_DGRAM, 0);
  strcpy(request.ifr_name, "link0");
  in->sin_family = AF_INET;
  inet_pton(AF_INET, address, &in->sin_addr);
  if (ioctl(control, SIOCSIFADDR, &request)) fail("address");
  inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
  if (ioctl(control, SIOCSIFNETMASK, &request)) fail("netmask");
  request.ifr_mtu = mtu;
  if (ioctl(control, SIOCSIFMTU, &request)) fail("mtu");
  // The device must not drop: that is the link's business.
  request.ifr_qlen = 10000;
  if (ioctl(control, SIOCSIFTXQLEN, &request)) fail("txqueuelen");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(control, SIOCSIFFLAGS, &request)) fail("up");
  strcpy(request.ifr_name, "lo");
  if (ioctl(control, SIOCSIFFLAGS, &request)) fail("lo");
  close(control);
}

static int open_device(const char *name_space, const char *address) {
  char path[256];
  struct ifreq request = {0};
  snprintf(path, sizeof path, "/var/run/netns/%s", name_space);
  int home = open("/proc/self/ns/net", O_RDONLY), there = open(path, O_RDONLY);
  if (home < 0 || there < 0) fail(path);
  if (setns(there, CLONE_NEWNET)) fail("setns");
  int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (device < 0) fail("/dev/net/tun");
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strcpy(request.ifr_name, "link0");
  if (ioctl(device, TUNSETIFF, &request)) fail("TUNSETIFF");
  configure(address);
  if (setns(home, CLONE_NEWNET)) fail("setns");
  close(there);
  close(home);
  return device;
}

static void enter(Direction *direction, const unsigned char *data, int length) {
  uint64_t time = now();
  double chance = fate(direction);
  direction->seen++;
  if (chance < loss) {
    direction->lost++;
    return;
  }
  while (direction->unsent != NULL && direction->unsent->leaves <= time) {
    direction->unsent = direction->unsent->next;
    direction->queued--;
  }
  if (direction->queued >= queue_limit) {
    direction->dropped++;
    return;
  }
  Packet *packet = malloc(sizeof *packet + length);
  if (packet == NULL) fail("malloc");
  uint64_t starts = direction->idle_at > time ? direction->idle_at : time;
  direction->waited += starts - time;
  packet->leaves = direction->idle_at = rate > 0 ? starts + (uint64_t)(length * 8e9 / rate) : starts;
  packet->arrives = packet->leaves + delay;
  packet->length = length;
  packet->next = NULL;
  memcpy(packet->data, data, length);
  if (direction->first == NULL) direction->first = packet;
  else direction->last->next = packet;
  direction->last = packet;
  if (direction->unsent == NULL) direction->unsent = packet;
  direction->queued++;
}

static void deliver(Direction *direction, uint64_t time) {
  while (direction->first != NULL && direction->first->arrives <= time) {
    Packet *packet = direction->first;
    if (direction->unsent == packet) {
      direction->unsent = packet->next;
      direction->queued--;
    }
    direction->first = packet->next;
    if (write(direction->to, packet->data, packet->length) == packet->length) {
      direction->forwarded++;
      direction->bytes += packet->length;
    }
    free(packet);
  }
}

static double number(const char *text) {
  char *end;
  double value = strtod(text, &end);
  return value * (*end == 'k' ? 1e3 : *end == 'm' ? 1e6 : *end == 'g' ? 1e9 : 1);
}

static void report(const char *name, const Direction *direction, const char *after) {
  uint64_t queued = direction->seen - direction->lost - direction->dropped;
  fprintf(stderr, "\"%s\":{\"seen\":%lu,\"lost\":%lu,\"qdrop\":%lu,\"fwd\":%lu,\"bytes\":%lu,\"wait_ms\":%.3f}%s", name,
          direction->seen, direction->lost, direction->dropped, direction->forwarded, direction->bytes,
          queued > 0 ? direction->waited / 1e6 / queued : 0, after);
}

int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: emulator NSA NSB [--rate BITS/s] [--delay MS] [--loss P] [--queue PACKETS] [--seed N] [--mtu BYTES]\n");
    return 2;
  }
  for (int i = 3; i < count; i += 2) {
    const char *option = arguments[i], *value = i + 1 < count ? arguments[i + 1] : "";
    if (!strcmp(option, "--rate")) rate = number(value);
    else if (!strcmp(option, "--delay")) delay = (uint64_t)(number(value) * 1e6);
    else if (!strcmp(option, "--loss")) loss = number(value);
    else if (!strcmp(option, "--queue")) queue_limit = atoi(value);
    else if (!strcmp(option, "--seed")) seed = strtoull(value, NULL, 10);
    else if (!strcmp(option, "--mtu")) mtu = atoi(value);
    else {
      fprintf(stderr, "unknown option %s\n", option);
      return 2;
    }
  }
  prctl(PR_SET_TIMERSLACK, 1);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  // Signals come only while it waits for packets: one that came just before would be missed, and the wait be without end.
  sigset_t ends, none;
  sigemptyset(&none);
  sigemptyset(&ends);
  for (int i = 0; i < 3; i++) {
    int number = (int[]){SIGINT, SIGTERM, SIGHUP}[i];
    signal(number, stop);
    sigaddset(&ends, number);
  }
  sigprocmask(SIG_BLOCK, &ends, NULL);

  int a = open_device(arguments[1], "10.99.0.1"), b = open_device(arguments[2], "10.99.0.2");
  Direction directions[2] = {{.from = a, .to = b, .salt = mix(seed * 2)}, {.from = b, .to = a, .salt = mix(seed * 2 + 1)}};
  unsigned char *buffer = malloc(65536);
  struct timespec quantum = {.tv_nsec = QUANTUM};
  fprintf(stderr, "ready\n");
  while (!stopped) {
    uint64_t time = now(), next = 0;
    for (int i = 0; i < 2; i++) {
      deliver(&directions[i], time);
      Packet *first = directions[i].first;
      if (first != NULL && (next == 0 || first->arrives < next)) next = first->arrives;
    }
    nanosleep(&quantum, NULL);
    struct pollfd devices[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    time = now();
    uint64_t wait = next > time ? next - time : 0;
    struct timespec timeout = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
    if (ppoll(devices, 2, next == 0 ? NULL : &timeout, &none) <= 0) continue;
    for (int i = 0; i < 2; i++) {
      if (!(devices[i].revents & POLLIN)) continue;
      for (int n = 0; n < BURST; n++) {
        int length = read(directions[i].from, buffer, 65536);
        if (length <= 0) break;
        enter(&directions[i], buffer, length);
      }
    }
  }
  fprintf(stderr, "{");
  report("ab", &directions[0], ",");
  report("ba", &directions[1], "}\n");
  return 0;
}
