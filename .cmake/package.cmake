# What is installed, and the Debian package of it:
#
#   cmake --build build/release --target skeinmqd skeinmqctl && cpack --config build/release/CPackConfig.cmake
#
# Only the two programs have to be built for it.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(CPACK_SET_DESTDIR ON)  # files below /etc, too
set(CPACK_INSTALL_PREFIX /usr)

install(TARGETS skeinmqd skeinmqctl RUNTIME DESTINATION /usr/bin COMPONENT package)
install(FILES deploy/systemd/skeinmq.service DESTINATION /lib/systemd/system COMPONENT package)
install(FILES deploy/debian/skeinmq.yaml DESTINATION /etc/skeinmq COMPONENT package)
install(FILES README.md CHANGELOG.md docs/configuration.md docs/operations.md DESTINATION /usr/share/doc/skeinmq COMPONENT package)
install(FILES LICENSE DESTINATION /usr/share/doc/skeinmq RENAME copyright COMPONENT package)

set(CPACK_INSTALL_CMAKE_PROJECTS "${PROJECT_BINARY_DIR};SkeinMQ;package;/")  # not what else `cmake --install` brings
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME skeinmq)
set(CPACK_PACKAGE_CONTACT "The SkeinMQ authors <skeinmq@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "clustered MQTT broker (3.1, 3.1.1, 5.0)")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "An MQTT broker for fleets of devices: durable sessions on disk, several nodes that behave as one,\n\
 TLS, WebSocket, access rules.")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, passwd")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "etcd-server, mosquitto-clients")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${PROJECT_SOURCE_DIR}/deploy/debian/postinst;${PROJECT_SOURCE_DIR}/deploy/debian/prerm;${PROJECT_SOURCE_DIR}/deploy/debian/postrm;\
${PROJECT_SOURCE_DIR}/deploy/debian/conffiles")
include(CPack)
