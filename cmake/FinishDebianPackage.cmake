# What Debian's policy wants of a package beside the installed files. Run by cpack on the folder that becomes the package.
set(root ${CPACK_TEMPORARY_DIRECTORY}/usr/share)
set(doc ${root}/doc/orbweaver)

# The licences of all that is in it; the charts of `orbweaver report` are copied into the program.
file(READ ${CPACK_ORBWEAVER_SOURCE}/LICENSE own)
file(READ ${CPACK_ORBWEAVER_SOURCE}/framework/report/assets/chart_licence.txt charts)
file(WRITE ${doc}/copyright "Orbweaver\n\n${own}\nChart.js, part of liborbweaver.so\n\n${charts}")
file(REMOVE ${doc}/LICENSE)

set(version ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)  # SOURCE_DATE_EPOCH where that is set
file(WRITE ${doc}/changelog.Debian "${CPACK_PACKAGE_NAME} (${version}) unstable; urgency=medium\n\n"
  "  * Release ${CPACK_PACKAGE_VERSION}.\n\n -- ${CPACK_PACKAGE_CONTACT}  ${now}\n")

foreach(file ${doc}/changelog.Debian ${root}/man/man1/orbweaver.1)
  if(EXISTS ${file})
    execute_process(COMMAND gzip -9 -n ${file} COMMAND_ERROR_IS_FATAL ANY)
  endif()
endforeach()
