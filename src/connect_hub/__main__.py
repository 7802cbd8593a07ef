from connect_hub.cli.main import main

main()
