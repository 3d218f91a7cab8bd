# cmake -DSOURCE_DIR=... -P CheckIncludes.cmake: who may include whom.
#
# plugins -> sdk <- framework: neither plugins (their tests too) nor the SDK include the framework, and a plugin includes
# of the other plugins' folders plugins/shared/ alone. Tests that need more stand in tests/plugins/.
file(GLOB_RECURSE sources RELATIVE ${SOURCE_DIR} ${SOURCE_DIR}/plugins/*.h ${SOURCE_DIR}/plugins/*.cpp
  ${SOURCE_DIR}/sdk/*.h ${SOURCE_DIR}/sdk/*.cpp)
if(NOT sources)
  message(FATAL_ERROR "${SOURCE_DIR}: no sources of plugins or of the SDK")
endif()
foreach(source IN LISTS sources)
  file(STRINGS ${SOURCE_DIR}/${source} includes REGEX "^[ \t]*#[ \t]*include")
  foreach(line IN LISTS includes)
    if(line MATCHES "[\"<]framework/")
      list(APPEND faults "${source}: ${line} (the framework)")
    elseif(line MATCHES "[\"<]plugins/" OR (line MATCHES "\"\\.\\./" AND NOT line MATCHES "\"\\.\\./\\.\\./shared/"))
      list(APPEND faults "${source}: ${line} (another plugin)")
    endif()
  endforeach()
endforeach()
if(faults)
  list(JOIN faults "\n  " faults)
  message(FATAL_ERROR "plugins and the SDK include what they must not; such tests belong in tests/plugins/:\n  ${faults}")
endif()
