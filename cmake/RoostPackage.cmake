# Packages: `cpack` makes a .deb and a tarball (filled in by the packaging section below).
