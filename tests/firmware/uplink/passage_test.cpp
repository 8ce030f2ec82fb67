#include <CppUTest/TestHarness.h>
TEST_GROUP(Passage){};
TEST(Passage, nothing) {}
