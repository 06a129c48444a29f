/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a conn from CONN_NEW to a connected socket. Private to src/net; worker's thread. Both may
 * call opened() or closed() before they return. */
#ifndef NET_DIAL_H
#define NET_DIAL_H

struct conn;

void dial_start(struct conn *c);
/* connect() has come to an end, one way or the other. */
void dial_connected(struct conn *c);

#endif
