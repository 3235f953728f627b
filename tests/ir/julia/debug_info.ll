; Each clone has a subprogram of its own; the compile unit is the module's one.
; RUN: opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s
target triple = "x86_64-linux-gnu"
@jl_fvars = global [2 x ptr] [ptr @first, ptr @f]
@jl_fvar_idxs = hidden constant [2 x i32] [i32 0, i32 1]
; Cloned before the function that is inlined in it.
define i32 @first(i32 %x) !dbg !13 {
  %r = add i32 %x, 1, !dbg !14
  ret i32 %r, !dbg !15
}
; CHECK: define i32 @f(i32 %named) {{.*}}!dbg ![[F0:[0-9]+]]
define i32 @f(i32 %named) !dbg !6 {
  %r = add i32 %named, 1, !dbg !9
  ret i32 %r, !dbg !9
}
; CHECK: define i32 @first.1(
; CHECK-NEXT: add i32 %x, 1, !dbg ![[INLINED:[0-9]+]]
; CHECK: define i32 @f.1(i32 %named) {{.*}}!dbg ![[F1:[0-9]+]]
; CHECK: ret i32 %r, !dbg ![[AT:[0-9]+]]
; CHECK: !llvm.dbg.cu = !{![[UNIT:[0-9]+]]}
; CHECK-DAG: ![[F0]] = distinct !DISubprogram(name: "f", {{.*}}unit: ![[UNIT]]
; CHECK-DAG: ![[F1]] = distinct !DISubprogram(name: "f", {{.*}}unit: ![[UNIT]]
; CHECK-DAG: ![[INLINED]] = !DILocation(line: 2, scope: ![[F0]], inlinedAt:
; CHECK-DAG: ![[AT]] = !DILocation(line: 2, scope: ![[F1]])
!llvm.dbg.cu = !{!3}
!llvm.module.flags = !{!0, !1, !2}
!0 = !{i32 2, !"Debug Info Version", i32 3}
!1 = !{i32 1, !"julia.mv.enable", i32 1}
!2 = !{i32 1, !"julia.mv.specs", !10}
!3 = distinct !DICompileUnit(language: DW_LANG_Julia, file: !4, producer: "test", isOptimized: true, emissionKind: FullDebug)
!4 = !DIFile(filename: "a.jl", directory: "/")
!5 = !{}
!6 = distinct !DISubprogram(name: "f", scope: !4, file: !4, line: 1, type: !7, unit: !3, spFlags: DISPFlagDefinition)
!7 = !DISubroutineType(types: !5)
!9 = !DILocation(line: 2, scope: !6)
!10 = !{!11, !12}
!11 = !{!"x86-64", !"", i32 0, i32 0}
!12 = !{!"haswell", !"", i32 0, i32 2}
!13 = distinct !DISubprogram(name: "first", scope: !4, file: !4, line: 4, type: !7, unit: !3, spFlags: DISPFlagDefinition)
!14 = !DILocation(line: 2, scope: !6, inlinedAt: !15)
!15 = distinct !DILocation(line: 5, scope: !13)
