// Requests about clients, subscriptions and events.
//
// Purpose: GET /api/v1/clients and what is below it, /subscriptions, /events; each for the whole
// cluster. Owner: Api. Thread: any of the API's.
#pragma once

#include <string>

#include "broker/admin/clients.h"
#include "broker/admin/node.h"
#include "broker/admin/peers.h"
#include "broker/admin/router.h"

namespace skein::admin {

class ApiClients {
 public:
  // None is null but peers, of a node that is alone.
  ApiClients(Clients* clients, Node* node, Peers* peers)
      : clients_(*clients), node_(*node), peers_(peers) {}

  void AddTo(Router* router);

 private:
  Response List(const Request& request);
  Response MyList(const Request& request);
  Response Find(const Request& request, const std::string& client_id);
  Response Queue(const Request& request, const std::string& client_id);
  Response Subscriptions(const Request& request);
  Response MySubscriptions(const Request& request);
  Response Events(const Request& request);
  Response MyEvents(const Request& request);
  Response Kick(const Request& request, const std::string& client_id);
  Response EndSession(const Request& request, const std::string& client_id);

  Clients& clients_;
  Node& node_;
  Peers* const peers_;
};

}  // namespace skein::admin
