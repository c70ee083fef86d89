# The time of one Mclust() call (not of R's start): iris, 1 to 9 components, all families, and of the hierarchical start alone.
# Usage: Rscript mclust.R IRIS.csv; prints JSON.
suppressMessages(library(mclust))
x <- as.matrix(read.csv(commandArgs(trailingOnly = TRUE)[1])[, 1:4])
invisible(Mclust(x[1:50, ], G = 1:2, verbose = FALSE)) # loads what is loaded lazily
seconds <- min(replicate(3, system.time(fit <<- Mclust(x, G = 1:9, control = emControl(tol = c(1e-5, sqrt(.Machine$double.eps))), verbose = FALSE))[["elapsed"]]))
cat(sprintf('{"seconds": %.6g, "bic": %.10g, "version": "%s"}\n', seconds, fit$bic, as.character(packageVersion("mclust"))))
