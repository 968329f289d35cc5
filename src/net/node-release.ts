// What `net` does differently from one release of Node to the next. What is new in a later one is there on all; what changed goes by
// the Node underneath, for that is what the program was written for.

const major = Number.parseInt(process.versions.node, 10)

/** A limit of 0 connections lets nobody in; before, it was no limit. */
export const zeroMeansNobody = major >= 21

/** A write that `destroy` cut off fails; before, its callback heard of no error. */
export const cancelledWritesFail = major >= 22

/** `end` on a socket that has not begun to connect finishes at once; before, it waited for 'connect'. */
export const endsUnconnected = major >= 22

/** `net.client.socket` tells of every `socket.connect()`; before, of `net.connect()` only. */
export const announcesEveryConnect = major >= 22

/** Without a host too, `ipv6Only` keeps IPv4 out; before, it went by the host. */
export const wildcardHeedsIpv6Only = major >= 22

/** A host has to be a string; before, the lookup found out. */
export const checksHost = major >= 22

/** `listen` looks up all addresses of a host and prefers those that are not link-local; before, it took the first. */
export const listensOnRoutable = major >= 22
