; RUN: not opt -passes='JuliaMultiVersioning<outside>' -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: unknown parameter 'outside' of JuliaMultiVersioning; known are external and no-external
target triple = "x86_64-linux-gnu"
