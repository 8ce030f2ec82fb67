# Installs the page's npm packages, if the lock file is newer than what is there. The folder is shared by all build
# directories, hence the lock.
file(LOCK ${LOCK} TIMEOUT 300)
set(installed ${PAGE}/node_modules/.package-lock.json)
if(NOT EXISTS ${installed} OR ${PAGE}/package-lock.json IS_NEWER_THAN ${installed})
    execute_process(COMMAND ${NPM} ci --no-audit --no-fund --loglevel=error WORKING_DIRECTORY ${PAGE}
        RESULT_VARIABLE failed)
    if(failed)
        message(FATAL_ERROR "npm ci failed in ${PAGE}: the page needs its packages once, from the npm registry or its cache")
    endif()
    file(TOUCH ${installed})
endif()
