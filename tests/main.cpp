#include <CppUTest/CommandLineTestRunner.h>
#include <CppUTest/MemoryLeakWarningPlugin.h>

int main(int argc, char** argv) {
#ifdef CPPUTEST_MEM_LEAK_DETECTION_DISABLED
    // The macro spares the test's own sources. What the libraries allocate would still be watched,
    // and each allocation cost a multiple.
    MemoryLeakWarningPlugin::turnOffNewDeleteOverloads();
#endif
    return CommandLineTestRunner::RunAllTests(argc, argv);
}
