# What the cross toolchains share. Before it is included, `triplet`, `architecture` (Debian's name of it) and `qemu` are set.
#
# Everything is linked statically: the result is one file that runs on any kernel of its architecture, whatever C
# library the board has, or none.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${triplet}-gcc)
set(CMAKE_CXX_COMPILER ${triplet}-g++)

get_filename_component(CMAKE_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot/${architecture} ABSOLUTE)
if(NOT EXISTS ${CMAKE_SYSROOT}/.holdfast-packages)
    message(FATAL_ERROR "There is no sysroot in ${CMAKE_SYSROOT}. Make it: toolchains/sysroot ${architecture}")
endif()

# Programs (protoc, node) are the host's; headers and libraries are only ever the sysroot's.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

foreach(language C CXX)
    # GCC's note that it changed how some arguments are passed in version 7 concerns nobody here: all is built by one GCC.
    set(CMAKE_${language}_FLAGS_INIT "${flags} -ffunction-sections -fdata-sections -Wno-psabi")
endforeach()
# The cross compiler brings a C library too, without Debian's later fixes: the sysroot's comes first.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-L${CMAKE_SYSROOT}/usr/lib/${triplet} -static -Wl,--gc-sections -Wl,--strip-all")

# ctest runs the unit tests through it, as code of the target's architecture.
find_program(qemu_program ${qemu}-static)
if(qemu_program)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${qemu_program})
endif()
