# 32-bit ARM (ARMv7 with a floating-point unit): Raspberry Pi 2 and later, BeagleBone, i.MX6, STM32MP1, AST2600 …
set(CMAKE_SYSTEM_PROCESSOR arm)
set(architecture armhf)
set(triplet arm-linux-gnueabihf)
set(qemu qemu-arm)
# Files over 2 GiB, and a clock that goes on after January 2038.
set(flags "-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64")
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
