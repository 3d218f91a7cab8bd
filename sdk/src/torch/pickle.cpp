#include "pickle.h"

#include <cstring>
#include <stdexcept>
#include <unordered_map>

namespace orbweaver::detail {
namespace {

using Kind = Pickled::Kind;

[[noreturn]] void damaged(const std::string& what) { throw std::runtime_error("damaged pickle: " + what); }

PickledRef make(Kind kind) {
  auto value = std::make_shared<Pickled>();
  value->kind = kind;
  return value;
}

PickledRef make_integer(int64_t number, Kind kind = Kind::integer) {
  auto value = make(kind);
  value->integer = number;
  return value;
}

PickledRef make_text(std::string text, Kind kind = Kind::text) {
  auto value = make(kind);
  value->text = std::move(text);
  return value;
}

PickledRef make_sequence(std::vector<PickledRef> items) {
  auto value = make(Kind::sequence);
  value->items = std::move(items);
  return value;
}

at::ScalarType dtype_of_storage(const std::string& name) {
  static const std::unordered_map<std::string, at::ScalarType> kTypes = {
      {"torch.FloatStorage", at::kFloat},       {"torch.DoubleStorage", at::kDouble}, {"torch.HalfStorage", at::kHalf},
      {"torch.BFloat16Storage", at::kBFloat16}, {"torch.LongStorage", at::kLong},     {"torch.IntStorage", at::kInt},
      {"torch.ShortStorage", at::kShort},       {"torch.CharStorage", at::kChar},     {"torch.ByteStorage", at::kByte},
      {"torch.BoolStorage", at::kBool}};
  const auto found = kTypes.find(name);
  if (found == kTypes.end()) throw std::runtime_error("holds a tensor of type " + name + ", which is not supported");
  return found->second;
}

// A state dict has some hundred bytes for a tensor.
constexpr size_t longest_pickle = 16 << 20;
constexpr size_t longest_name = 1000;

/// Keeps every value until the end and takes them apart one by one: values that hold each other would never go, and in
/// a long chain of them each would destroy the next, until the stack overflows.
struct Arena {
  std::vector<PickledRef> values;
  ~Arena() {
    for (const PickledRef& value : values) {
      value->items.clear();
      value->members.clear();
    }
  }
};

/// One pass over the instructions of the protocols 2 to 5 that torch.save uses.
class Reader {
 public:
  Reader(std::string_view bytes, const MakeTensor& make_tensor) : bytes_(bytes), make_tensor_(make_tensor) {
    if (bytes.size() > longest_pickle)
      throw std::runtime_error("its pickle has " + std::to_string(bytes.size()) +
                               " bytes beside the tensors, more than weights need");
  }

  PickledRef read() {
    for (;;) {
      const uint8_t code = take<uint8_t>();
      if (code == '.') return PickledRef(arena_, pop().get());  // lives as long as all that it holds
      if (!push_constant(code) && !build_container(code) && !use_memo(code) && !make_object(code))
        throw std::runtime_error("its pickle uses instruction " + std::to_string(code) + ", which no state dict needs");
    }
  }

 private:
  // Plain values.
  bool push_constant(uint8_t code) {
    switch (code) {
      case 0x80: take<uint8_t>(); return true;   // PROTO
      case 0x95: take<uint64_t>(); return true;  // FRAME
      case 'N': push(make(Kind::none)); return true;
      case 0x88: push(make_integer(1, Kind::boolean)); return true;
      case 0x89: push(make_integer(0, Kind::boolean)); return true;
      case 'J': push(make_integer(take<int32_t>())); return true;
      case 'K': push(make_integer(take<uint8_t>())); return true;
      case 'M': push(make_integer(take<uint16_t>())); return true;
      case 0x8a: push(make_integer(long_integer())); return true;
      case 'G': push_number(); return true;
      case 'X': push(make_text(text(take<uint32_t>()))); return true;
      case 0x8c: push(make_text(text(take<uint8_t>()))); return true;
      case 'U':
      case 'C': push(make_text(text(take<uint8_t>()))); return true;
      case 'T':
      case 'B': push(make_text(text(take<uint32_t>()))); return true;
      default: return false;
    }
  }

  bool build_container(uint8_t code) {
    switch (code) {
      case '(': marks_.push_back(stack_.size()); return true;
      case '0': pop(); return true;
      case '1': pop_to_mark(); return true;
      case ')':
      case ']': push(make(Kind::sequence)); return true;
      case '}': push(make(Kind::dict)); return true;
      case 't':
      case 'l': push(make_sequence(pop_to_mark())); return true;
      case 0x85: push_tuple(1); return true;
      case 0x86: push_tuple(2); return true;
      case 0x87: push_tuple(3); return true;
      case 'a': append({pop()}); return true;
      case 'e': append(pop_to_mark()); return true;
      case 's': set_items(pop_many(2)); return true;
      case 'u': set_items(pop_to_mark()); return true;
      default: return false;
    }
  }

  bool use_memo(uint8_t code) {
    switch (code) {
      case 'q': memo_[take<uint8_t>()] = top(); return true;
      case 'r': memo_[take<uint32_t>()] = top(); return true;
      case 0x94: memo_[static_cast<uint32_t>(memo_.size())] = top(); return true;
      case 'h': recall(take<uint8_t>()); return true;
      case 'j': recall(take<uint32_t>()); return true;
      default: return false;
    }
  }

  bool make_object(uint8_t code) {
    switch (code) {
      case 'c': {
        const std::string module = line();
        push(make_text(name_of(module, line()), Kind::global));
        return true;
      }
      case 0x93: {
        const auto names = pop_many(2);
        push(make_text(name_of(names[0]->text, names[1]->text), Kind::global));
        return true;
      }
      case 'Q': push(storage(pop())); return true;
      case 'R':
      case 0x81: {
        const auto call = pop_many(2);
        push(result_of(*call[0], *call[1]));
        return true;
      }
      case 'b': {
        const PickledRef state = pop();
        // An OrderedDict's own attributes (torch's _metadata) are no entries of it.
        if (top()->kind != Kind::object || state->kind != Kind::dict) return true;
        spend(state->members.size());
        top()->members = state->members;
        return true;
      }
      default: return false;
    }
  }

  PickledRef result_of(const Pickled& callee, const Pickled& arguments) {
    if (callee.kind != Kind::global || arguments.kind != Kind::sequence) return make(Kind::object);
    const auto& given = arguments.items;
    if (callee.text == "collections.OrderedDict") return ordered_dict(given);
    if (callee.text == "torch._utils._rebuild_tensor_v2" || callee.text == "torch._utils._rebuild_tensor")
      return tensor(given);
    if (callee.text == "torch._utils._rebuild_parameter" && !given.empty()) return given[0];
    spend(callee.text.size() / 16);  // an object's class, named once, may have more letters than the object has bytes
    return make_text(callee.text, Kind::object);
  }

  /// Joined names, remembered and joined again, would double each time.
  static std::string name_of(const std::string& module, const std::string& name) {
    if (module.size() + name.size() > longest_name)
      damaged("a name of " + std::to_string(module.size() + name.size()) + " characters");
    return module + "." + name;
  }

  /// Counts what is copied from remembered values. Weights need less than their pickle has bytes; a hostile pickle
  /// would copy one long list again and again.
  void spend(size_t count) {
    spent_ += count;
    if (spent_ > bytes_.size() + 4096) damaged("it grows beyond what its size allows");
  }

  PickledRef ordered_dict(const std::vector<PickledRef>& arguments) {
    auto dict = make(Kind::dict);
    if (arguments.empty()) return dict;
    spend(arguments[0]->items.size());
    for (const PickledRef& pair : arguments[0]->items) {
      if (pair->items.size() != 2) damaged("an OrderedDict's entry is no pair");
      dict->members.emplace_back(pair->items[0], pair->items[1]);
    }
    return dict;
  }

  /// ("storage", class, record, device, number of elements)
  static PickledRef storage(const PickledRef& id) {
    if (id->kind != Kind::sequence || id->items.size() < 3 || id->items[0]->text != "storage" ||
        id->items[2]->text.size() > longest_name)
      damaged("a persistent id that is no storage");
    auto value = make_text(id->items[2]->text, Kind::storage);
    value->dtype = dtype_of_storage(id->items[1]->text);
    return value;
  }

  /// (storage, offset, sizes, strides, ...)
  PickledRef tensor(const std::vector<PickledRef>& given) {
    if (given.size() < 4 || given[0]->kind != Kind::storage || given[1]->kind != Kind::integer)
      damaged("a tensor's arguments");
    const auto integers = [&](const Pickled& list) {
      if (list.items.size() > 64) damaged("a tensor of " + std::to_string(list.items.size()) + " dimensions");
      std::vector<int64_t> values;
      for (const PickledRef& item : list.items) {
        if (item->kind != Kind::integer) damaged("a tensor's shape");
        values.push_back(item->integer);
      }
      return values;
    };
    auto value = make(Kind::tensor);
    value->tensor =
        make_tensor_(given[0]->text, given[0]->dtype, given[1]->integer, integers(*given[2]), integers(*given[3]));
    return value;
  }

  void append(const std::vector<PickledRef>& items) {
    if (top()->kind == Kind::sequence) top()->items.insert(top()->items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<PickledRef>& items) {
    if (items.size() % 2 != 0) damaged("a key without a value");
    if (top()->kind != Kind::dict) return;
    for (size_t i = 0; i < items.size(); i += 2) top()->members.emplace_back(items[i], items[i + 1]);
  }

  void push_tuple(size_t count) { push(make_sequence(pop_many(count))); }

  void push_number() {
    uint64_t bits = 0;  // big endian
    for (int i = 0; i < 8; ++i) bits = bits << 8 | take<uint8_t>();
    auto value = make(Kind::number);
    std::memcpy(&value->number, &bits, sizeof bits);
    push(std::move(value));
  }

  int64_t long_integer() {
    const uint8_t count = take<uint8_t>();
    if (count > 8) {  // beyond 64 bits: a random generator's state, which no weight needs
      text(count);
      return 0;
    }
    uint64_t bits = 0;
    for (int i = 0; i < count; ++i) bits |= static_cast<uint64_t>(take<uint8_t>()) << (8 * i);
    if (count > 0 && count < 8 && (bits >> (8 * count - 1) & 1)) bits |= ~uint64_t{0} << (8 * count);
    return static_cast<int64_t>(bits);
  }

  template <class T>
  T take() {
    T value;
    std::memcpy(&value, text(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string text(size_t length) {
    if (length > bytes_.size() - at_) damaged("it ends early");
    at_ += length;
    return std::string(bytes_.substr(at_ - length, length));
  }

  std::string line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) damaged("it ends early");
    const std::string value = text(end - at_);
    ++at_;
    return value;
  }

  void push(PickledRef value) {
    arena_->values.push_back(value);
    stack_.push_back(std::move(value));
  }

  const PickledRef& top() const {
    if (stack_.empty()) damaged("its stack is empty");
    return stack_.back();
  }

  PickledRef pop() {
    PickledRef value = top();
    stack_.pop_back();
    return value;
  }

  std::vector<PickledRef> pop_many(size_t count) {
    if (stack_.size() < count) damaged("its stack is empty");
    std::vector<PickledRef> values(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }

  std::vector<PickledRef> pop_to_mark() {
    if (marks_.empty() || marks_.back() > stack_.size()) damaged("a mark is missing");
    const size_t mark = marks_.back();
    marks_.pop_back();
    return pop_many(stack_.size() - mark);
  }

  void recall(uint32_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) damaged("it recalls what it never stored");
    stack_.push_back(found->second);
  }

  std::string_view bytes_;
  const MakeTensor& make_tensor_;
  size_t at_ = 0, spent_ = 0;
  const std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
  std::vector<PickledRef> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickledRef> memo_;
};

}  // namespace

PickledRef read_pickle(std::string_view bytes, const MakeTensor& make_tensor) {
  return Reader(bytes, make_tensor).read();
}

}  // namespace orbweaver::detail
