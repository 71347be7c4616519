#pragma once

namespace gloo::transport {

class Device;  // held by pointer

class UnboundBuffer {  // owned by pointer
 public:
  virtual ~UnboundBuffer();
};

}  // namespace gloo::transport
