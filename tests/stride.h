#pragma once

#include <cstddef>

namespace holdfast {

/// Long loops over seeds and places take each of so many. Emulated code is some twenty times slower
/// than the host's: there a share must do, since the host's run takes them all. A prime, so that it
/// does not fall into step with what is tested.
#ifdef HOLDFAST_EMULATED
inline constexpr std::size_t kStride = 7;
#else
inline constexpr std::size_t kStride = 1;
#endif

}  // namespace holdfast
