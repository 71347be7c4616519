#pragma once

#include <string>

#include "api/server.h"

namespace roost::api {

class EventHub;
class HttpStats;
class RunAccess;

// What handlers work with. Made once by Server; everything in it is thread-safe.
struct Services {
  const ServerOptions& options;
  store::Store& store;
  engine::Engine& engine;
  EventHub& hub;
  RunAccess& run_access;
  HttpStats& stats;
  WorkerPool& pool;
  std::string address;
  Micros started_at = 0;
};

}  // namespace roost::api
