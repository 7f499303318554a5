# libkafka, static and shared, from the layers' objects; what is installed with them. A library that was not asked for
# (KAFKA_BUILD_SHARED, KAFKA_BUILD_STATIC) is not installed; the static one is built all the same for kc and the tests.
if(NOT KAFKA_BUILD_SHARED AND NOT KAFKA_BUILD_STATIC)
  message(FATAL_ERROR "KAFKA_BUILD_SHARED and KAFKA_BUILD_STATIC are both off: nothing would be left to link with")
endif()
set(KAFKA_OBJECTS $<TARGET_OBJECTS:kfk_base> $<TARGET_OBJECTS:kfk_wire> $<TARGET_OBJECTS:kfk_net>
                  $<TARGET_OBJECTS:kfk_engine> $<TARGET_OBJECTS:kfk_api>)
set(KAFKA_MAP ${PROJECT_SOURCE_DIR}/cmake/libkafka.map)

set(KAFKA_LIBRARIES kafka_static)
set(KAFKA_INSTALLED)
if(KAFKA_BUILD_SHARED)
  list(APPEND KAFKA_LIBRARIES kafka_shared)
  list(APPEND KAFKA_INSTALLED kafka_shared)
  add_library(kafka_shared SHARED ${KAFKA_OBJECTS})
  set_target_properties(kafka_shared PROPERTIES OUTPUT_NAME kafka EXPORT_NAME kafka VERSION ${PROJECT_VERSION}
    SOVERSION 0 LINK_DEPENDS ${KAFKA_MAP})
  # nodelete: threads and thread-local destructors must not lose their code to a dlclose.
  target_link_options(kafka_shared PRIVATE -Wl,--version-script=${KAFKA_MAP} -Wl,-z,nodelete)
  if(NOT KAFKA_SANITIZE)
    target_link_options(kafka_shared PRIVATE -Wl,--no-undefined)
  endif()
endif()
add_library(kafka_static STATIC ${KAFKA_OBJECTS})
set_target_properties(kafka_static PROPERTIES OUTPUT_NAME kafka EXPORT_NAME kafka_static)
if(KAFKA_BUILD_STATIC)
  list(APPEND KAFKA_INSTALLED kafka_static)
else()
  set_target_properties(kafka_static PROPERTIES EXCLUDE_FROM_ALL ON)
endif()

foreach(lib ${KAFKA_LIBRARIES})
  target_include_directories(${lib} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${lib} PRIVATE $<BUILD_INTERFACE:kafka_flags> Threads::Threads ${KAFKA_CODEC_LIBS})
endforeach()

# libkafka-testing, the in-memory cluster. Shared, it has the lower layers once more, hidden, and uses libkafka's public
# functions; static, it is linked in front of libkafka.a.
set(KAFKA_TESTING_MAP ${PROJECT_SOURCE_DIR}/cmake/libkafka-testing.map)
if(KAFKA_BUILD_SHARED)
  list(APPEND KAFKA_INSTALLED kafka_testing_shared)
  add_library(kafka_testing_shared SHARED $<TARGET_OBJECTS:kfk_testing> $<TARGET_OBJECTS:kfk_base>
                                          $<TARGET_OBJECTS:kfk_wire> $<TARGET_OBJECTS:kfk_net>)
  set_target_properties(kafka_testing_shared PROPERTIES OUTPUT_NAME kafka-testing EXPORT_NAME testing
    VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${KAFKA_TESTING_MAP})
  target_link_options(kafka_testing_shared PRIVATE -Wl,--version-script=${KAFKA_TESTING_MAP} -Wl,-z,nodelete)
  if(NOT KAFKA_SANITIZE)
    target_link_options(kafka_testing_shared PRIVATE -Wl,--no-undefined)
  endif()
  target_link_libraries(kafka_testing_shared PRIVATE $<BUILD_INTERFACE:kafka_flags> Threads::Threads ${KAFKA_CODEC_LIBS}
    PUBLIC kafka_shared)
endif()
add_library(kafka_testing_static STATIC $<TARGET_OBJECTS:kfk_testing>)
set_target_properties(kafka_testing_static PROPERTIES OUTPUT_NAME kafka-testing EXPORT_NAME testing_static)
target_link_libraries(kafka_testing_static PRIVATE $<BUILD_INTERFACE:kafka_flags> PUBLIC kafka_static)
if(KAFKA_BUILD_STATIC)
  list(APPEND KAFKA_INSTALLED kafka_testing_static)
else()
  set_target_properties(kafka_testing_static PROPERTIES EXCLUDE_FROM_ALL ON)
endif()

# ---- what is installed: headers, the libraries, their .pc files, and the CMake package `kafka` with its targets -------------
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kafka)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/kafka DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/man/libkafka.3 DESTINATION ${CMAKE_INSTALL_MANDIR}/man3)
install(TARGETS ${KAFKA_INSTALLED} EXPORT kafka
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT kafka NAMESPACE kafka:: FILE kafka-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/kafka-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/kafka-config.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/kafka-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kafka-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/kafka-config-version.cmake DESTINATION ${package_dir})

# What a static link needs beside -lkafka.
set(KAFKA_PC_LIBS_PRIVATE -pthread)
foreach(codec GZIP:z SNAPPY:snappy LZ4:lz4 ZSTD:zstd)
  string(REPLACE ":" ";" pair ${codec})
  list(GET pair 0 option)
  list(GET pair 1 library)
  if(KAFKA_WITH_${option})
    list(APPEND KAFKA_PC_LIBS_PRIVATE -l${library})
  endif()
endforeach()
if(KAFKA_WITH_SNAPPY)
  list(APPEND KAFKA_PC_LIBS_PRIVATE -lstdc++)
endif()
list(JOIN KAFKA_PC_LIBS_PRIVATE " " KAFKA_PC_LIBS_PRIVATE)
set(KAFKA_PC_LIBS -lkafka)
if(NOT KAFKA_BUILD_SHARED) # then every link is a static one
  string(APPEND KAFKA_PC_LIBS " ${KAFKA_PC_LIBS_PRIVATE}")
  set(KAFKA_PC_LIBS_PRIVATE)
endif()
# The prefix is found from where the file lies, so that an installed tree may be moved.
file(RELATIVE_PATH KAFKA_PC_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${PROJECT_SOURCE_DIR}/cmake/libkafka.pc.in ${CMAKE_CURRENT_BINARY_DIR}/libkafka.pc @ONLY)
configure_file(${PROJECT_SOURCE_DIR}/cmake/libkafka-testing.pc.in ${CMAKE_CURRENT_BINARY_DIR}/libkafka-testing.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/libkafka.pc ${CMAKE_CURRENT_BINARY_DIR}/libkafka-testing.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# ---- `uninstall` removes what the last install wrote ----------------------------------------------------------------------
add_custom_target(uninstall COMMAND ${CMAKE_COMMAND} -DMANIFEST=${CMAKE_BINARY_DIR}/install_manifest.txt
  -P ${PROJECT_SOURCE_DIR}/cmake/KafkaUninstall.cmake)
