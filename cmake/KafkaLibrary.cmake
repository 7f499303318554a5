# libkafka, static and shared, from the layers' objects; what is installed with them.
set(KAFKA_OBJECTS $<TARGET_OBJECTS:kfk_base> $<TARGET_OBJECTS:kfk_wire> $<TARGET_OBJECTS:kfk_net>
                  $<TARGET_OBJECTS:kfk_engine> $<TARGET_OBJECTS:kfk_api>)
set(KAFKA_MAP ${PROJECT_SOURCE_DIR}/cmake/libkafka.map)

add_library(kafka_shared SHARED ${KAFKA_OBJECTS})
set_target_properties(kafka_shared PROPERTIES OUTPUT_NAME kafka EXPORT_NAME kafka VERSION ${PROJECT_VERSION} SOVERSION 0
  LINK_DEPENDS ${KAFKA_MAP})
# nodelete: threads and thread-local destructors must not lose their code to a dlclose.
target_link_options(kafka_shared PRIVATE -Wl,--version-script=${KAFKA_MAP} -Wl,-z,nodelete)
if(NOT KAFKA_SANITIZE)
  target_link_options(kafka_shared PRIVATE -Wl,--no-undefined)
endif()
add_library(kafka_static STATIC ${KAFKA_OBJECTS})
set_target_properties(kafka_static PROPERTIES OUTPUT_NAME kafka EXPORT_NAME kafka_static)

foreach(lib kafka_shared kafka_static)
  target_include_directories(${lib} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${lib} PRIVATE $<BUILD_INTERFACE:kafka_flags> Threads::Threads ${KAFKA_CODEC_LIBS})
endforeach()
