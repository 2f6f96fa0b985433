# Brings the packages of package-lock.json into MODULES: cmake -DNPM=... -DSOURCE=... -DMODULES=... -P fetch.cmake
file(MAKE_DIRECTORY "${MODULES}")
file(COPY "${SOURCE}/package.json" "${SOURCE}/package-lock.json" DESTINATION "${MODULES}")
execute_process(
  COMMAND "${NPM}" ci --loglevel error --prefer-offline --no-audit --no-fund --ignore-scripts
  WORKING_DIRECTORY "${MODULES}"
  RESULT_VARIABLE failed
  OUTPUT_QUIET)
if(failed)
  message(FATAL_ERROR "npm cannot bring the dashboard's packages (see above). It needs its registry, or its cache of an earlier build; "
    "-DSKEINMQ_DASHBOARD=OFF builds without the dashboard.")
endif()
file(TOUCH "${MODULES}/.complete")
