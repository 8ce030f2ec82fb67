# 64-bit ARM (ARMv8): Raspberry Pi 3 and later with a 64-bit system, i.MX8, Jetson …
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(architecture arm64)
set(triplet aarch64-linux-gnu)
set(qemu qemu-aarch64)
set(flags "")
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
