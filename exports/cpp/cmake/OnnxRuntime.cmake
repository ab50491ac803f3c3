# Makes the target `onnxruntime_of_ilrobot`: headers and library of ONNX Runtime, from one of
#   system   a package of the distribution, e.g. Debian 13's libonnxruntime-dev
#   wheel    the library in PyPI's onnxruntime, with headers from fetch_headers.sh
#   archive  the official release, onnxruntime-linux-x64-*.tgz, unpacked
add_library(onnxruntime_of_ilrobot INTERFACE)

if(ILROBOT_ONNXRUNTIME STREQUAL "system")
  find_path(_headers onnxruntime_cxx_api.h PATH_SUFFIXES onnxruntime onnxruntime/core/session NO_CACHE)
  find_library(_library onnxruntime NO_CACHE)
  set(_cure "install libonnxruntime-dev, or take -DILROBOT_ONNXRUNTIME=wheel or archive")
elseif(ILROBOT_ONNXRUNTIME STREQUAL "archive")
  find_path(_headers onnxruntime_cxx_api.h
    PATHS ${ILROBOT_ONNXRUNTIME_ROOT}/include PATH_SUFFIXES onnxruntime NO_DEFAULT_PATH NO_CACHE)
  find_library(_library onnxruntime PATHS ${ILROBOT_ONNXRUNTIME_ROOT}/lib NO_DEFAULT_PATH NO_CACHE)
  set(_cure "set ILROBOT_ONNXRUNTIME_ROOT to the folder that was unpacked")
elseif(ILROBOT_ONNXRUNTIME STREQUAL "wheel")
  find_path(_headers onnxruntime_cxx_api.h PATHS ${ILROBOT_ONNXRUNTIME_HEADERS}
    PATH_SUFFIXES onnxruntime usr/include/onnxruntime NO_DEFAULT_PATH NO_CACHE)
  file(GLOB _shipped ${ILROBOT_ONNXRUNTIME_ROOT}/libonnxruntime.so.*)
  set(_library _library-NOTFOUND)
  if(_shipped)
    # The wheel names the file by its full version, while programs look for its soname.
    list(GET _shipped 0 _file)
    set(_library ${CMAKE_BINARY_DIR}/onnxruntime/libonnxruntime.so.1)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/onnxruntime)
    file(CREATE_LINK ${_file} ${_library} SYMBOLIC)
  endif()
  set(_cure "set ILROBOT_ONNXRUNTIME_ROOT to onnxruntime/capi of the wheel and ILROBOT_ONNXRUNTIME_HEADERS to where fetch_headers.sh unpacked")
else()
  message(FATAL_ERROR "ILROBOT_ONNXRUNTIME is '${ILROBOT_ONNXRUNTIME}'; take system, wheel or archive")
endif()

if(NOT _headers OR NOT _library)
  message(FATAL_ERROR "ONNX Runtime (${ILROBOT_ONNXRUNTIME}): headers ${_headers}, library ${_library}; ${_cure}")
endif()
target_include_directories(onnxruntime_of_ilrobot SYSTEM INTERFACE ${_headers})
target_link_libraries(onnxruntime_of_ilrobot INTERFACE ${_library})
if(NOT ILROBOT_ONNXRUNTIME STREQUAL "system")
  # No loader would look for it where it was unpacked, so it is installed beside the library.
  get_filename_component(_file ${_library} REALPATH)
  install(FILES ${_file} DESTINATION lib RENAME libonnxruntime.so.1)
endif()
