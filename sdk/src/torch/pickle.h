// Python's pickle format as data: what a weights file says, without running what it names.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace orbweaver::detail {

struct Pickled;
using PickledRef = std::shared_ptr<Pickled>;

/// A value of the pickle.
struct Pickled {
  enum class Kind {
    none,
    boolean,
    integer,
    number,
    text,
    sequence,  ///< list or tuple
    dict,
    global,  ///< a name of Python's: a class or function, neither looked up nor called
    storage,
    tensor,
    object  ///< an instance of the class `text`, with the attributes it was given as members
  };
  Kind kind = Kind::none;
  int64_t integer = 0;  ///< of a boolean too
  double number = 0;
  std::string text;                                        ///< of a text, global or object; a storage's record
  std::vector<PickledRef> items;                           ///< of a sequence
  std::vector<std::pair<PickledRef, PickledRef>> members;  ///< of a dict or object
  at::ScalarType dtype = at::ScalarType::Undefined;        ///< of a storage
  at::Tensor tensor;
};

/// Makes the tensor of `dtype` over the record `key` with that offset, sizes and strides (in elements).
using MakeTensor = std::function<at::Tensor(const std::string& key, at::ScalarType dtype, int64_t offset,
                                            const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides)>;

/// @throws std::runtime_error (without the file's name) on a damaged pickle or an instruction that weights do not need.
PickledRef read_pickle(std::string_view bytes, const MakeTensor& make_tensor);

}  // namespace orbweaver::detail
