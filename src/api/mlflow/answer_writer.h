#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/mlflow/call.h"

namespace roost::api::mlflow {

// MLflow tells infinities as the largest doubles.
double WithoutInfinity(double value);

// Writes a long answer as text at once, with MLflow's indentation of two blanks. The calls nest:
// after Key comes one value, BeginObject or BeginArray.
class AnswerWriter {
 public:
  explicit AnswerWriter(std::string* to) : to_(*to) {}

  AnswerWriter& Key(std::string_view key);  // of plain letters
  void Value(std::string_view text);
  void Value(std::int64_t number);
  void Value(double number);  // as NumberOf tells it
  void Tree(const Answer& tree);

  void BeginObject() { Begin('{'); }
  void EndObject() { End('}'); }
  void BeginArray() { Begin('['); }
  void EndArray() { End(']'); }

 private:
  void Begin(char bracket);
  void End(char bracket);
  void StartValue();
  void StartLine();

  std::string& to_;
  std::size_t depth_ = 0;
  bool is_empty_ = true;     // nothing is in the innermost bracket yet
  bool follows_key_ = true;  // the outermost value begins no line either
};

}  // namespace roost::api::mlflow
