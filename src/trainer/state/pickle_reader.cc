#include "trainer/state/pickle_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <unordered_map>

#include "trainer/state/byte_reader.h"
#include "trainer/state/pickle_rebuild.h"
#include "trainer/state/printable.h"

namespace roost::trainer {
namespace {

tl::unexpected<Error> Malformed(std::string_view what) {
  return Fail(ErrorCode::kInvalidArgument, fmt::format("its pickle is malformed: {}.", what));
}

Error Refused(std::string_view module, std::string_view name) {
  const std::string asked = Printable(module) + "." + Printable(name);
  if (module.starts_with("torch") &&
      (name.ends_with("Storage") || name.starts_with("_rebuild_") || name.starts_with("complex"))) {
    return {ErrorCode::kInvalidArgument,
            "refused: it holds a tensor of a kind that is not read (" + asked +
                "); dense tensors of real numbers are. Convert it in Python and save again.",
            {}};
  }
  return {ErrorCode::kInvalidArgument,
          "refused: this file asks to run " + asked +
              ", which weights have no need of; nothing was run. If you trust it, load it in "
              "Python and save only the weights: torch.save(model.state_dict(), path).",
          {}};
}

// Python's arbitrary integers: two's complement, little-endian, as short as possible.
std::optional<std::int64_t> DecodeLong(std::string_view bytes) {
  if (bytes.size() > sizeof(std::int64_t)) return std::nullopt;
  const bool negative = !bytes.empty() && static_cast<unsigned char>(bytes.back()) >= 0x80;
  std::uint64_t bits = negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    bits = bits << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return static_cast<std::int64_t>(bits);
}

// The virtual machine of pickle: a stack of objects, marks in it, and a memo of objects that later
// opcodes name again.
class Machine {
 public:
  Machine(std::string_view bytes, std::size_t at) : reader_(bytes, at), build_(&pickle_) {}

  Result<Pickle> Run() {
    while (true) {
      const auto opcode = static_cast<char>(reader_.Get<std::uint8_t>());
      if (!reader_.ok()) return Malformed("it ends too early");
      if (opcode == '.') break;
      ROOST_TRY(Step(opcode));
      if (!reader_.ok()) return Malformed("it ends too early");
      if (stack_.size() > kMaxPickledValues || marks_.size() > kMaxPickledValues) {
        return Fail(TooManyValues());
      }
    }
    ROOST_ASSIGN(pickle_.root, Pop());
    return std::move(pickle_);
  }
  std::size_t at() const { return reader_.at(); }

 private:
  Status Step(char opcode);
  Status StepText(char opcode);
  Status StepContainer(char opcode);
  Status StepMemo(char opcode);
  Status StepObject(char opcode);

  // --- Stack ---

  Status Push(Result<NodeId> id) {
    ROOST_TRY(id);
    stack_.push_back(*id);
    return {};
  }
  Status PushNew(PickleNode node) { return Push(build_.Add(std::move(node))); }

  // Objects below the last mark are out of reach until it is taken.
  std::size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Result<NodeId> Pop() {
    if (stack_.size() <= Floor()) return Malformed("its stack is empty");
    const NodeId id = stack_.back();
    stack_.pop_back();
    return id;
  }
  Result<PickleNode*> Top() {
    if (stack_.size() <= Floor()) return Malformed("its stack is empty");
    return &pickle_.nodes[stack_.back()];
  }
  Result<std::vector<NodeId>> PopCount(std::size_t count) {
    if (stack_.size() - Floor() < count) return Malformed("its stack is empty");
    std::vector<NodeId> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }
  Result<std::vector<NodeId>> PopMark() {
    if (marks_.empty()) return Malformed("a mark is missing");
    ROOST_ASSIGN(std::vector<NodeId> items, PopCount(stack_.size() - marks_.back()));
    marks_.pop_back();
    return items;
  }

  Status PushTuple(Result<std::vector<NodeId>> items) {
    ROOST_TRY(items);
    return PushNew({.kind = NodeKind::kTuple, .items = std::move(*items)});
  }
  Status PushText(NodeKind kind, std::uint64_t bytes) {
    return PushNew({.kind = kind, .text = reader_.Take(bytes)});
  }
  Status PushInt(std::int64_t number) {
    return PushNew({.kind = NodeKind::kInt, .number = number});
  }
  Status PushLong(std::uint64_t bytes) {
    const std::string_view raw = reader_.Take(bytes);
    if (const auto number = DecodeLong(raw)) return PushInt(*number);
    return PushNew({.kind = NodeKind::kOther, .text = "an integer of more than 64 bits"});
  }
  Status PushGlobal(std::string_view module, std::string_view name) {
    const std::optional<GlobalName> found = FindGlobal(module, name);
    if (!found) return Fail(Refused(module, name));
    PickleNode node{.kind = NodeKind::kGlobal, .global = found->global};
    if (found->global == Global::kDType) node.kind = NodeKind::kDType;
    node.dtype = found->dtype.value_or(DType::kFloat32);
    return PushNew(std::move(node));
  }

  // --- Containers ---

  Status Extend(std::vector<NodeId> items) {
    ROOST_ASSIGN(PickleNode* const list, Top());
    // A set being filled stands here as a tuple.
    if (list->kind != NodeKind::kList && list->kind != NodeKind::kTuple) {
      return Malformed("items are put into something that is no list");
    }
    list->items.insert(list->items.end(), items.begin(), items.end());
    return {};
  }
  Status SetItems(std::vector<NodeId> items) {
    ROOST_ASSIGN(PickleNode* const dict, Top());
    if (dict->kind != NodeKind::kDict && dict->kind != NodeKind::kOrderedDict) {
      return Malformed("a key is set in something that is no dict");
    }
    if (items.size() % 2 != 0) return Malformed("a dict has a key without a value");
    dict->items.insert(dict->items.end(), items.begin(), items.end());
    return {};
  }

  Status Remember(std::uint64_t index) {
    if (stack_.size() <= Floor()) return Malformed("its stack is empty");
    memo_[index] = stack_.back();
    return {};
  }
  Status Recall(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) return Malformed("it names an object that it has not made");
    stack_.push_back(found->second);
    return {};
  }

  ByteReader reader_;
  Pickle pickle_;
  PickleBuilder build_;
  std::vector<NodeId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, NodeId> memo_;
};

// The scalars; what is none is handed on.
Status Machine::Step(char opcode) {
  switch (opcode) {
    case '\x80':  // PROTO
      if (const auto protocol = reader_.Get<std::uint8_t>(); protocol < 2 || protocol > 5) {
        return Malformed(fmt::format("protocol {} is unknown", protocol));
      }
      return {};
    case '\x95':  // FRAME: only a hint for reading ahead
      reader_.Get<std::uint64_t>();
      return {};
    case 'N':
      return PushNew({.kind = NodeKind::kNone});
    case '\x88':
    case '\x89':
      return PushNew({.kind = NodeKind::kBool, .number = opcode == '\x88' ? 1 : 0});
    case 'J':
      return PushInt(static_cast<std::int32_t>(reader_.Get<std::uint32_t>()));
    case 'K':
      return PushInt(reader_.Get<std::uint8_t>());
    case 'M':
      return PushInt(reader_.Get<std::uint16_t>());
    case '\x8a':  // LONG1
      return PushLong(reader_.Get<std::uint8_t>());
    case '\x8b':  // LONG4
      return PushLong(reader_.Get<std::uint32_t>());
    case 'G':  // big-endian
      return PushNew(
          {.kind = NodeKind::kDouble,
           .number = static_cast<std::int64_t>(__builtin_bswap64(reader_.Get<std::uint64_t>()))});
    default:
      return StepText(opcode);
  }
}

Status Machine::StepText(char opcode) {
  switch (opcode) {
    case '\x8c':  // SHORT_BINUNICODE
    case 'U':     // SHORT_BINSTRING: a str of Python 2
      return PushText(NodeKind::kString, reader_.Get<std::uint8_t>());
    case 'X':  // BINUNICODE
    case 'T':  // BINSTRING
      return PushText(NodeKind::kString, reader_.Get<std::uint32_t>());
    case '\x8d':  // BINUNICODE8
      return PushText(NodeKind::kString, reader_.Get<std::uint64_t>());
    case 'C':  // SHORT_BINBYTES
      return PushText(NodeKind::kBytes, reader_.Get<std::uint8_t>());
    case 'B':  // BINBYTES
      return PushText(NodeKind::kBytes, reader_.Get<std::uint32_t>());
    case '\x8e':  // BINBYTES8
    case '\x96':  // BYTEARRAY8
      return PushText(NodeKind::kBytes, reader_.Get<std::uint64_t>());
    default:
      return StepContainer(opcode);
  }
}

Status Machine::StepContainer(char opcode) {
  switch (opcode) {
    case '(':
      marks_.push_back(stack_.size());
      return {};
    case ']':
      return PushNew({.kind = NodeKind::kList});
    case ')':
    case '\x8f':  // EMPTY_SET
      return PushNew({.kind = NodeKind::kTuple});
    case '}':
      return PushNew({.kind = NodeKind::kDict});
    case '\x85':
    case '\x86':
    case '\x87':
      return PushTuple(PopCount(static_cast<unsigned char>(opcode) - 0x84U));
    case 't':
    case '\x91':  // FROZENSET
      return PushTuple(PopMark());
    case 'l': {
      ROOST_ASSIGN(std::vector<NodeId> items, PopMark());
      return PushNew({.kind = NodeKind::kList, .items = std::move(items)});
    }
    case 'd': {
      ROOST_ASSIGN(std::vector<NodeId> items, PopMark());
      ROOST_TRY(PushNew({.kind = NodeKind::kDict}));
      return SetItems(std::move(items));
    }
    case 'a': {
      ROOST_ASSIGN(std::vector<NodeId> items, PopCount(1));
      return Extend(std::move(items));
    }
    case 'e':
    case '\x90': {  // ADDITEMS
      ROOST_ASSIGN(std::vector<NodeId> items, PopMark());
      return Extend(std::move(items));
    }
    case 's': {
      ROOST_ASSIGN(std::vector<NodeId> items, PopCount(2));
      return SetItems(std::move(items));
    }
    case 'u': {
      ROOST_ASSIGN(std::vector<NodeId> items, PopMark());
      return SetItems(std::move(items));
    }
    default:
      return StepMemo(opcode);
  }
}

Status Machine::StepMemo(char opcode) {
  switch (opcode) {
    case 'q':
      return Remember(reader_.Get<std::uint8_t>());
    case 'r':
      return Remember(reader_.Get<std::uint32_t>());
    case '\x94':  // MEMOIZE
      return Remember(memo_.size());
    case 'h':
      return Recall(reader_.Get<std::uint8_t>());
    case 'j':
      return Recall(reader_.Get<std::uint32_t>());
    case '0': {  // POP, which takes a mark when nothing stands above it
      if (!marks_.empty() && stack_.size() == marks_.back()) {
        marks_.pop_back();
        return {};
      }
      ROOST_TRY(Pop());
      return {};
    }
    case '1':  // POP_MARK
      ROOST_TRY(PopMark());
      return {};
    case '2':  // DUP
      ROOST_TRY(Top());
      stack_.push_back(stack_.back());
      return {};
    default:
      return StepObject(opcode);
  }
}

Status Machine::StepObject(char opcode) {
  switch (opcode) {
    case 'c': {  // GLOBAL
      const std::string_view module = reader_.TakeLine();
      const std::string_view name = reader_.TakeLine();
      if (!reader_.ok()) return Malformed("it ends too early");
      return PushGlobal(module, name);
    }
    case '\x93': {  // STACK_GLOBAL
      ROOST_ASSIGN(const std::vector<NodeId> names, PopCount(2));
      const PickleNode& module = pickle_.nodes[names[0]];
      const PickleNode& name = pickle_.nodes[names[1]];
      if (module.kind != NodeKind::kString || name.kind != NodeKind::kString) {
        return Malformed("the name of a function is no text");
      }
      return PushGlobal(module.text, name.text);
    }
    case 'Q': {  // BINPERSID
      ROOST_ASSIGN(const NodeId id, Pop());
      return Push(build_.Storage(id));
    }
    case 'R':       // REDUCE
    case '\x81': {  // NEWOBJ
      ROOST_ASSIGN(const std::vector<NodeId> call, PopCount(2));
      return Push(build_.Call(call[0], call[1]));
    }
    case 'b': {  // BUILD: the attributes of an OrderedDict (_metadata of a state_dict) are dropped
      ROOST_TRY(Pop());
      ROOST_ASSIGN(const PickleNode* const object, Top());
      if (object->kind != NodeKind::kOrderedDict) {
        return Malformed("it sets the state of an object that has none");
      }
      return {};
    }
    default:
      return Malformed(
          fmt::format("opcode 0x{:02x} is not one that torch.save writes; save the file again with "
                      "torch.save and without a pickle protocol of your own",
                      static_cast<unsigned char>(opcode)));
  }
}

}  // namespace

Result<Pickle> ReadPickle(std::string_view bytes, std::size_t* at) {
  Machine machine(bytes, *at);
  Result<Pickle> pickle = machine.Run();
  *at = machine.at();
  return pickle;
}

}  // namespace roost::trainer
