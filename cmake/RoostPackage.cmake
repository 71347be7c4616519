# What is installed, and packages: `cpack -G DEB` and `cpack -G TGZ` (see packaging/README.md).
include(GNUInstallDirs)

install(TARGETS roost RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS roost-shim RUNTIME DESTINATION libexec/roost)
install(DIRECTORY sdk/python/roost sdk/python/azureml DESTINATION share/roost/python
        FILES_MATCHING PATTERN "*.py" PATTERN "py.typed"
        PATTERN "__pycache__" EXCLUDE PATTERN "tests" EXCLUDE)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION share/doc/roost OPTIONAL)
install(DIRECTORY docs/ DESTINATION share/doc/roost FILES_MATCHING PATTERN "*.md")
install(FILES packaging/roost.service DESTINATION lib/systemd/system)

# The completions are printed by the program itself.
set(completions ${CMAKE_CURRENT_BINARY_DIR}/completions)
add_custom_command(
  OUTPUT ${completions}/roost ${completions}/_roost ${completions}/roost.fish
  COMMAND ${CMAKE_COMMAND} -E make_directory ${completions}
  COMMAND roost completion bash > ${completions}/roost
  COMMAND roost completion zsh > ${completions}/_roost
  COMMAND roost completion fish > ${completions}/roost.fish
  DEPENDS roost VERBATIM)
add_custom_target(roost_completions ALL
                  DEPENDS ${completions}/roost ${completions}/_roost ${completions}/roost.fish)
install(FILES ${completions}/roost DESTINATION share/bash-completion/completions)
install(FILES ${completions}/_roost DESTINATION share/zsh/vendor-completions)
install(FILES ${completions}/roost.fish DESTINATION share/fish/vendor_completions.d)

# With the PyTorch of this machine in its RUNPATH: `cmake --install` puts it beside the server, packages leave it out.
if(TARGET roost-trainer)
  install(TARGETS roost-trainer RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT trainer)
endif()

set(CPACK_GENERATOR DEB TGZ)
set(CPACK_INSTALL_CMAKE_PROJECTS "${PROJECT_BINARY_DIR};roost;Unspecified;/")
set(CPACK_PACKAGE_NAME roost)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "Roost maintainers <maintainers@roost.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Self-hosted platform for machine-learning training runs")
set(CPACK_STRIP_FILES ON)
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "python3, git, curl")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/packaging/postinst ${PROJECT_SOURCE_DIR}/packaging/prerm
    ${PROJECT_SOURCE_DIR}/packaging/postrm)
include(CPack)
