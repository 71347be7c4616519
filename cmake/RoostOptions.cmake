# Compiler settings that every target of ours shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# -O2: -O3 gains nothing measurable here and compiles slower.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(CCACHE ccache)
if(CCACHE)
  # What precompiled headers need of ccache.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()

add_library(roost_options INTERFACE)
target_compile_options(roost_options INTERFACE -Wall -Wextra -Wshadow -Wconversion)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False positives of g++ 12 at -O2 and above, in its own string and optional.
  target_compile_options(roost_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized
                                               -Wno-stringop-overread -Wno-stringop-overflow
                                               -Wno-array-bounds)
endif()
if(ROOST_WERROR)
  target_compile_options(roost_options INTERFACE -Werror)
endif()
if(ROOST_SANITIZE)
  target_compile_options(roost_options INTERFACE -fsanitize=${ROOST_SANITIZE}
                                                 -fno-omit-frame-pointer)
  target_link_options(roost_options INTERFACE -fsanitize=${ROOST_SANITIZE})
  if(ROOST_SANITIZE MATCHES "thread")
    # Asio uses fences that the thread sanitizer of g++ 12 does not model.
    target_compile_options(roost_options INTERFACE -Wno-tsan)
  endif()
  if(ROOST_SANITIZE MATCHES "undefined")
    # A null pointer that is used is the address sanitizer's find; these two checks at every access
    # are a third of the compiler's time.
    target_compile_options(roost_options INTERFACE -fno-sanitize-recover=undefined
                                                   -fno-sanitize=null,alignment)
  endif()
endif()
if(ROOST_TIDY)
  find_program(CLANG_TIDY clang-tidy REQUIRED)
  set(CMAKE_CXX_CLANG_TIDY ${CLANG_TIDY} --quiet)
endif()
