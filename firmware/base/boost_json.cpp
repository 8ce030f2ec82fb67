// Boost.JSON is used header-only; its definitions live here, once.
#include <boost/json/src.hpp>
