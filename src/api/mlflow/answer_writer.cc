#include "api/mlflow/answer_writer.h"

#include <cmath>
#include <limits>

#include "api/json.h"

namespace roost::api::mlflow {

double WithoutInfinity(double value) {
  return std::isinf(value) ? std::copysign(std::numeric_limits<double>::max(), value) : value;
}

AnswerWriter& AnswerWriter::Key(std::string_view key) {
  StartLine();
  to_.push_back('"');
  to_.append(key).append("\": ");
  follows_key_ = true;
  return *this;
}

void AnswerWriter::Value(std::string_view text) {
  StartValue();
  AppendText(text, &to_);
}

void AnswerWriter::Value(std::int64_t number) {
  StartValue();
  AppendNumber(number, &to_);
}

void AnswerWriter::Value(double number) {
  StartValue();
  AppendNumber(WithoutInfinity(number), &to_);
}

void AnswerWriter::Tree(const Answer& tree) {
  StartValue();
  const std::string text = tree.dump(2, ' ', false, Answer::error_handler_t::replace);
  for (const char c : text) {
    to_.push_back(c);
    if (c == '\n') to_.append(2 * depth_, ' ');
  }
}

void AnswerWriter::Begin(char bracket) {
  StartValue();
  to_.push_back(bracket);
  ++depth_;
  is_empty_ = true;
}

void AnswerWriter::End(char bracket) {
  --depth_;
  if (!is_empty_) to_.append("\n").append(2 * depth_, ' ');
  to_.push_back(bracket);
  is_empty_ = false;
}

void AnswerWriter::StartValue() {
  if (!follows_key_) StartLine();
  follows_key_ = false;
}

void AnswerWriter::StartLine() {
  to_.append(is_empty_ ? "\n" : ",\n").append(2 * depth_, ' ');
  is_empty_ = false;
}

}  // namespace roost::api::mlflow
