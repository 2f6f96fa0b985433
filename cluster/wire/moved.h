// Sessions that move to another node, and what waits for them, as bytes.
//
// Purpose: see letters.h, of which it is a part. For .cc files of this folder only. Thread: pure.
#pragma once

#include "broker/session/store.h"
#include "skein/cluster/v1/peer.pb.h"

namespace skein::cluster {

void EncodeSession(session::SessionImage* image, TimeMs now, v1::MovedSession* out);
void EncodeDelivery(const session::StoredDelivery& delivery, TimeMs now, v1::MovedMessage* out);

// False: it makes no sense.
bool DecodeSession(const v1::MovedSession& in, TimeMs now, session::SessionImage* image);
bool DecodeDelivery(const v1::MovedMessage& in, TimeMs now, session::StoredDelivery* delivery);

}  // namespace skein::cluster
