// A static executable carries glibc's own lookups in /etc/hosts and by DNS. Any other module that the board's
// /etc/nsswitch.conf names (mdns, myhostname, resolve) would be loaded from the board, together with the C library it
// was built for; where that is not this very version, the process dies of it. So only the two that are built in are asked.

#include <nss.h>

__attribute__((constructor)) static void use_built_in_lookups(void) {
    (void)__nss_configure_lookup("hosts", "files dns");
}
