#pragma once

namespace holdfast::system {

/// Gives free memory of the heap back to the kernel. Takes some 100 us: for the end of a burst, not
/// for every turn.
void give_back_memory();

}  // namespace holdfast::system
