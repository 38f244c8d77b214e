// grpc.health.v1.Health/Check without a protobuf library: the question, and what an answer says. Inside this folder
// only.
#pragma once

#include <string>

#include "health/check_state.h"

namespace cardea::health {

// A message with its length before it.
std::string grpc_question(const std::string& service);

// Takes the answer as it comes. Bounded: a message that could not be a health answer is refused by its length.
class GrpcAnswer {
 public:
  void restart() { *this = GrpcAnswer(); }
  // Of the head or the trailers, whichever has it.
  void on_grpc_status(Bytes text);
  void on_bytes(Bytes bytes);
  bool refused() const { return !fault_.empty(); }  // nothing that still comes can change it
  // At the end, or once refused: "passed", "grpc NOT_SERVING", "grpc-status 5 NOT_FOUND", "grpc: ...".
  std::string cause() const;
  bool serving() const { return cause() == "passed"; }

 private:
  void parse_message();
  std::string buffer_;  // of the one message, with its prefix
  std::string fault_;
  uint64_t status_ = 0;    // ServingStatus
  int grpc_status_ = -1;   // -1: none came
  bool complete_ = false;  // the message is
};

}  // namespace cardea::health
