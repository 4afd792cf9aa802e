def markdown(language):
    return "# Explorer\n"
def write_model(run, assets, work):
    pass
