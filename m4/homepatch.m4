dnl SPDX-License-Identifier: BSD-3-Clause
dnl The few macros configure.ac needs, so that no macro archive is a dependency.

dnl HP_ENABLE(NAME, DEFAULT, HELP): --enable-NAME into $enable_NAME and AM_CONDITIONAL ENABLE_NAME.
AC_DEFUN([HP_ENABLE], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([m4_if([$2], [yes], [--disable-$1], [--enable-$1])], [$3 @<:@$2@:>@])],
    [], [AS_VAR_SET([enable_]$1, [$2])])
  AM_CONDITIONAL([ENABLE_]m4_toupper([$1]), [test "x$enable_$1" = xyes])
])

dnl HP_PART(NAME, HELP): an optional part, in by default. --without-NAME into $with_NAME and AM_CONDITIONAL WITH_NAME.
AC_DEFUN([HP_PART], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--without-$1], [leave out: $2])], [], [AS_VAR_SET([with_]$1, [yes])])
  AM_CONDITIONAL([WITH_]m4_toupper([$1]), [test "x$with_$1" != xno])
  AS_IF([test "x$with_$1" != xno], [AS_VAR_APPEND([hp_parts], [" $1"])])
])

dnl HP_CFLAGS(VARIABLE, FLAGS): append to VARIABLE the flags that the compiler takes without a word.
AC_DEFUN([HP_CFLAGS], [
  AC_LANG_ASSERT([C])
  for hp_flag in $2; do
    AC_MSG_CHECKING([whether $CC takes $hp_flag])
    hp_saved=$CFLAGS
    CFLAGS="$CFLAGS -Werror $hp_flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
      [AC_MSG_RESULT([yes]); AS_VAR_APPEND([$1], [" $hp_flag"])], [AC_MSG_RESULT([no])])
    CFLAGS=$hp_saved
  done
])

dnl HP_LDFLAGS(VARIABLE, FLAGS): the same for the linker.
AC_DEFUN([HP_LDFLAGS], [
  for hp_flag in $2; do
    AC_MSG_CHECKING([whether the linker takes $hp_flag])
    hp_saved=$LDFLAGS
    LDFLAGS="$LDFLAGS -Werror $hp_flag"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
      [AC_MSG_RESULT([yes]); AS_VAR_APPEND([$1], [" $hp_flag"])], [AC_MSG_RESULT([no])])
    LDFLAGS=$hp_saved
  done
])

dnl HP_PIE: -fPIE and -pie belong together.
AC_DEFUN([HP_PIE], [
  AC_MSG_CHECKING([whether -fPIE -pie works])
  hp_saved_c=$CFLAGS hp_saved_l=$LDFLAGS
  CFLAGS="$CFLAGS -fPIE" LDFLAGS="$LDFLAGS -pie"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes])
     AS_VAR_APPEND([HARDENING_CFLAGS], [" -fPIE"])
     AS_VAR_APPEND([HARDENING_LDFLAGS], [" -pie"])], [AC_MSG_RESULT([no])])
  CFLAGS=$hp_saved_c LDFLAGS=$hp_saved_l
])

dnl HP_FORTIFY: the highest _FORTIFY_SOURCE that the C library takes at this optimisation level.
AC_DEFUN([HP_FORTIFY], [
  AC_MSG_CHECKING([for the level of _FORTIFY_SOURCE])
  hp_level=none hp_saved=$CFLAGS
  for hp_try in 3 2; do
    CFLAGS="$hp_saved -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$hp_try"
    AS_IF([test $hp_level = none],
      [AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]], [])], [hp_level=$hp_try])])
  done
  CFLAGS=$hp_saved
  AS_IF([test $hp_level != none], [HARDENING_CPPFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$hp_level"])
  AC_MSG_RESULT([$hp_level])
])

dnl HP_LAZY(NAME, LIBS, FUNCTION): a shared library that is loaded when it is first needed. LAZY_NAME in config.h is its soname,
dnl and AM_CONDITIONAL LAZY_NAME says whether there is one: not with --disable-lazy, nor where it is linked statically.
AC_DEFUN([HP_LAZY], [
  hp_soname=
  AS_IF([test "x$enable_lazy" != xno && test "x$READELF" != x && test "x$2" != x], [
    AC_MSG_CHECKING([for the soname of lib$1])
    hp_saved=$LIBS
    LIBS="$2 $LIBS"
    AC_LINK_IFELSE([AC_LANG_CALL([], [$3])],
      [hp_soname=$($READELF -d conftest$EXEEXT 2>/dev/null | $SED -n 's/.*(NEEDED).*\(lib'"$1"'\.so@<:@.0-9@:>@*\).*/\1/p')])
    LIBS=$hp_saved
    AC_MSG_RESULT([${hp_soname:-none, so it is linked}])
  ])
  AS_IF([test "x$hp_soname" != x],
    [AC_DEFINE_UNQUOTED([LAZY_]m4_translit([$1], [a-z-], [A-Z_]), ["$hp_soname"], [the soname of lib$1])])
  AM_CONDITIONAL([LAZY_]m4_translit([$1], [a-z-], [A-Z_]), [test "x$hp_soname" != x])
])
